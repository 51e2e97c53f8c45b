-- The table of limits in docs/configuration.md: each setting that bounds something has a row with
-- its default, what happens over it, and its counter; and what the tables of settings say of a
-- number is what the code has.
local read = require("spec.support.files").read
local databases = require "pomelua.config.databases"
local settings = require "pomelua.app.settings"

local TEXT = read "docs/configuration.md"

local function section(heading)
  local from = assert(TEXT:find("\n## " .. heading .. "\n", 1, true), heading)
  return TEXT:sub(from, (TEXT:find("\n## ", from + 1, true) or #TEXT) - 1)
end

-- The rows of the tables in a text: lists of cells, without the heads.
local function rows_of(text)
  local rows = {}
  for line in text:gmatch("[^\n]+") do
    if line:find("^|%-") then
      rows[#rows] = nil -- it was the head
    elseif line:find("^|") then
      local cells = {}
      for cell in line:gsub("\\|", "\1"):sub(2):gmatch("([^|]*)|") do
        cells[#cells + 1] = (cell:gsub("\1", "|"):match("^%s*(.-)%s*$"))
      end
      rows[#rows + 1] = cells
    end
  end
  return rows
end

local function codes_of(cell)
  local list = {}
  for code in cell:gmatch("`([^`]+)`") do list[#list + 1] = code end
  return list
end

local function none(wrong) assert(#wrong == 0, "\n" .. table.concat(wrong, "\n")) end

local LIMITS = rows_of(section "Limits, and what happens at them")

-- Numbers that bound nothing.
local NO_LIMITS = {
  ["connectorConfig.heartbeat"] = "how often clients send one; timeout is the limit",
  ["passwordConfig.cost"] = "how long a guess takes",
  ["proxyConfig.hashFieldIndex"] = "which argument chooses the server",
}

-- What kinds of settings hold: a new kind is put into one of the two. Tables of limits have rules
-- of their own for their keys.
local BOUNDS = { number = true, limits = true, rate = true, resume = true }
local OTHERS = {
  any = true, always = true, auth = true, boolean = true, connector = true, failMode = true,
  ["function"] = true, networks = true, networksOrPath = true, origins = true, path = true,
  prefix = true, refused = true, routerType = true, scheduler = true, singleSession = true,
  ssl = true, store = true, types = true,
}

-- The names of the limits in a setting: its own, or those of its keys.
local function limits_of(name, rule)
  if rule.kind == "number" then return { name } end
  local list = {}
  for key, inner in pairs(rule.keys or rule) do
    if type(inner) == "table" and inner.kind == "number" then
      list[#list + 1] = name .. "." .. key
    end
  end
  return list
end

describe("the table of limits", function()
  it("has five cells in each row: limit, key, default, what happens, counter", function()
    local wrong = {}
    assert.is_true(#LIMITS > 40)
    for _, cells in ipairs(LIMITS) do
      local name = cells[1] or "?"
      if #cells ~= 5 then
        wrong[#wrong + 1] = ("%s: %d cells"):format(name, #cells)
      elseif cells[2] == "" or cells[4] == "" then
        wrong[#wrong + 1] = name .. ": an empty cell"
      elseif cells[2] ~= "none" and cells[3] == "" then
        wrong[#wrong + 1] = name .. ": the default is missing"
      end
    end
    none(wrong)
  end)

  it("has a row for each setting that bounds something", function()
    local wrong, told = {}, {}
    for _, cells in ipairs(LIMITS) do
      for _, code in ipairs(codes_of(cells[2])) do told[code] = true end
    end
    settings.each(function(group, key, rule)
      local name = group .. "." .. key
      if not BOUNDS[rule.kind] and not OTHERS[rule.kind] then
        wrong[#wrong + 1] = ("%s: say in this spec whether the kind %s bounds something"):format(
          name, rule.kind)
      elseif BOUNDS[rule.kind] and not NO_LIMITS[name] then
        local short = limits_of(key, rule)
        for i, whole in ipairs(limits_of(name, rule)) do
          if not told[short[i]] and not told[whole] then wrong[#wrong + 1] = whole .. ": no row" end
        end
      end
    end)
    assert(told["max-connections"])
    none(wrong)
  end)

  it("names no key that is not there", function()
    local wrong, known = {}, { ["max-connections"] = true }
    settings.each(function(group, key)
      known[key], known[group .. "." .. key] = true, true
    end)
    for _, cells in ipairs(LIMITS) do
      for _, code in ipairs(codes_of(cells[2])) do
        local page = cells[2]:find("web.json", 1, true)
        local database = cells[2]:find("databases.json", 1, true) and databases.LIMITS[code]
        if not known[code] and not known[code:match("^[^.]+")] and not page and not database then
          wrong[#wrong + 1] = ("%s: %s"):format(cells[1], code)
        end
      end
    end
    none(wrong)
  end)

  it("names counters that the list of counters has", function()
    local wrong, known = {}, {}
    for _, cells in ipairs(rows_of(section "Counters")) do
      for _, code in ipairs(codes_of(cells[1])) do known[code] = true end
    end
    for _, cells in ipairs(LIMITS) do
      for _, code in ipairs(codes_of(cells[5])) do
        if not known[code] then wrong[#wrong + 1] = ("%s: %s"):format(cells[1], code) end
      end
    end
    none(wrong)
  end)
end)

describe("the tables of settings", function()
  -- The rows of a group, by key.
  local function rows_by_key(group)
    local from = TEXT:find("\n### " .. group .. "[:\n]")
    if not from then return {} end
    local by_key = {}
    for _, cells in ipairs(rows_of(TEXT:sub(from, (TEXT:find("\n##", from + 1, true) or 0) - 1))) do
      for _, code in ipairs(codes_of(cells[1])) do by_key[code] = cells end
    end
    return by_key
  end

  local function has(cell, number)
    return cell:find("%f[%d]" .. ("%.0f"):format(number) .. "%f[%D]") ~= nil
  end

  it("say of each number its range and its default", function()
    local wrong, rows, last = {}, nil, nil
    settings.each(function(group, key, rule)
      if group ~= last then rows, last = rows_by_key(group), group end
      if rule.kind ~= "number" then return end
      local name, cells = group .. "." .. key, rows[key]
      if not cells then
        wrong[#wrong + 1] = name .. ": no row"
      elseif not has(cells[2], rule.least) or not has(cells[2], rule.most)
        and not cells[2]:find("from " .. rule.least, 1, true) then
        wrong[#wrong + 1] = ("%s: %q is not %.0f to %.0f"):format(name, cells[2], rule.least,
          rule.most)
      elseif rule.default and not has(cells[3], rule.default)
        and not (rule.default == 0 and not cells[3]:find "%d") then -- 0: told in words
        wrong[#wrong + 1] = ("%s: the default is %.0f, not %q"):format(name, rule.default, cells[3])
      end
    end)
    none(wrong)
  end)
end)
