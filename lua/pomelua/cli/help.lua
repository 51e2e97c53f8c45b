-- cli.help: what --help prints, made from the table of commands.
local help = {}

local WIDTH = 80
local LABEL = 24 -- the widest label that its text stands beside

---Breaks a text at blanks.
---@param text string
---@param width number
---@return string[] lines
function help.wrap(text, width)
  local lines, line = {}, nil
  for word in text:gmatch("%S+") do
    if line and #line + 1 + #word > width then
      lines[#lines + 1], line = line, nil
    end
    line = line and line .. " " .. word or word
  end
  lines[#lines + 1] = line
  return lines
end

---The paragraphs of a text.
---@param text string
---@return table[] list {text = one line} or {lines = as they stand}
function help.paragraphs(text)
  local list = {}
  for part in (text:gsub("%s+$", "") .. "\n\n"):gmatch("(.-)\n\n+") do
    if part:find("^  ") then
      local lines = {}
      for line in (part .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
      list[#list + 1] = { lines = lines }
    else
      list[#list + 1] = { text = (part:gsub("\n", " ")) }
    end
  end
  return list
end

---How an option is written: "-d, --directory DIR".
---@param row pomelua.Option
---@return string
function help.label(row)
  return table.concat(row, ", ") .. (row.value and " " .. row.value or "")
end

-- Labels with texts beside or below them.
local function rows(out, list)
  local wide = 0
  for _, row in ipairs(list) do
    if #row[1] <= LABEL then wide = math.max(wide, #row[1]) end
  end
  for _, row in ipairs(list) do
    local lines = help.wrap(row[2], WIDTH - wide - 4)
    local label = row[1]
    if #label > wide then
      out[#out + 1] = "  " .. label
      label = ""
    end
    for _, line in ipairs(lines) do
      out[#out + 1] = "  " .. label .. (" "):rep(wide - #label + 2) .. line
      label = ""
    end
  end
end

local function paragraphs(out, text)
  for _, one in ipairs(help.paragraphs(text)) do
    for _, line in ipairs(one.lines or help.wrap(one.text, WIDTH)) do out[#out + 1] = line end
    out[#out + 1] = ""
  end
end

-- "90s" is no number: those come last, as "other".
local function before(a, b)
  if type(a) ~= type(b) then return type(a) == "number" end
  return a < b
end

---The exit statuses of a command, in order.
---@param statuses table<integer|string, string>
---@return table[] list {status, text}
function help.statuses(statuses)
  local list = {}
  for status, text in pairs(statuses) do list[#list + 1] = { status, text } end
  table.sort(list, function(a, b) return before(a[1], b[1]) end)
  for _, row in ipairs(list) do row[1] = tostring(row[1]) end
  return list
end

---What `pomelua COMMAND --help` prints.
---@param entry pomelua.Command
---@return string
function help.of(entry)
  local out = { ("Usage: pomelua %s %s"):format(entry.name, entry.usage), "" }
  paragraphs(out, entry.text)
  out[#out + 1] = "Options:"
  local list = {}
  for i, row in ipairs(entry.options) do list[i] = { help.label(row), row.text } end
  rows(out, list)
  out[#out + 1] = ""
  out[#out + 1] = #entry.examples > 1 and "Examples:" or "Example:"
  for _, one in ipairs(entry.examples) do
    out[#out + 1] = "  " .. one[1]
    for _, line in ipairs(help.wrap(one[2], WIDTH - 6)) do out[#out + 1] = "      " .. line end
  end
  out[#out + 1] = ""
  out[#out + 1] = "Exit status:"
  rows(out, help.statuses(entry.statuses))
  if entry.see then
    out[#out + 1] = ""
    out[#out + 1] = "See also: pomelua help " .. table.concat(entry.see, ", ")
  end
  return table.concat(out, "\n") .. "\n"
end

---What `pomelua --help` prints.
---@param all table pomelua.cli.commands
---@return string
function help.all(all)
  local out = { "Usage: pomelua COMMAND [options]", "" }
  local wide = 0
  for _, entry in ipairs(all.list) do wide = math.max(wide, #entry.name) end
  for _, group in ipairs(all.groups) do
    out[#out + 1] = group.title .. ":"
    local list = {}
    for _, entry in ipairs(all.list) do
      if entry.group == group.name then
        list[#list + 1] = { entry.name .. (" "):rep(wide - #entry.name), entry.summary }
      end
    end
    rows(out, list)
    out[#out + 1] = ""
  end
  paragraphs(out, all.text)
  out[#out + 1] = "Options:"
  local list = {}
  for i, row in ipairs(all.options) do list[i] = { help.label(row), row.text } end
  rows(out, list)
  return table.concat(out, "\n") .. "\n"
end

return help
