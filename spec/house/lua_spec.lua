-- Rules about lua/pomelua: which folder may require which, no circles, a spec for each file, and
-- the map, lua/README.md.
local may = {
  base = {},
  run = { "base" },
  live = { "base", "config", "run" },
  session = { "base", "run" },
  channel = { "base", "run", "session" },
  filter = { "base", "run" },
  message = { "base", "run", "live", "session", "filter" },
  ops = { "base", "run", "live", "store" },
  app = { "base", "config", "run", "live", "session", "channel", "message", "ops", "store" },
  config = { "base" },
  store = { "base", "config", "run" },
  client = { "base" },
  cli = { "base", "config", "client", "run", "live", "app", "ops", "store", "top" },
  test = {
    "base", "run", "live", "session", "channel", "ops", "app", "config", "client", "store",
  },
  -- boot and init, which put the parts together, and the public names.
  top = { "base", "config", "run", "live", "filter", "app", "store" },
}

local graph = require "spec.support.graph"

local files_of_tree = require "spec.support.files"
local read, exists = files_of_tree.read, files_of_tree.exists

-- Every file but the template of a game and what editors read.
local function sources()
  local list = {}
  local pipe = io.popen("find lua/pomelua -name '*.lua' | sort")
  for path in pipe:lines() do
    local file = path:gsub("^lua/pomelua/", "")
    if not file:find("^template/") and not file:find("^library/") then list[#list + 1] = file end
  end
  pipe:close()
  return list
end

local function layer_of(file) return file:match("^(%w+)/") or "top" end

-- The file of a module's name, from lua/pomelua.
local function file_of(module)
  local stem = module:gsub("^pomelua%.?", ""):gsub("%.", "/")
  if stem == "" then return "init.lua" end
  return exists("lua/pomelua/" .. stem .. ".lua") and stem .. ".lua" or stem .. "/init.lua"
end

-- What a file requires, wherever in it that stands: {file, n, line}.
local function requires_of(file)
  local list = {}
  for _, r in ipairs(graph.requires_in(read("lua/pomelua/" .. file), "pomelua")) do
    if r.module ~= "pomelua.core" then
      list[#list + 1] = { file = file_of(r.module), n = r.n, line = r.line }
    end
  end
  return list
end

local function contains(list, value)
  for _, v in ipairs(list) do if v == value then return true end end
  return false
end

describe("the files of lua/pomelua", function()
  local requires, count = {}, 0
  for _, file in ipairs(sources()) do
    requires[file] = requires_of(file)
    count = count + #requires[file]
  end

  it("require only what their folder may know", function()
    local wrong = {}
    for file, list in pairs(requires) do
      local layer = layer_of(file)
      assert(may[layer], "which folder is " .. file .. " in?")
      for _, one in ipairs(list) do
        local other = one.file
        assert(requires[other], file .. " requires what is not there: " .. other)
        local to = layer_of(other)
        if to ~= layer and not contains(may[layer], to) then
          wrong[#wrong + 1] = file .. " must not require " .. other
        end
      end
    end
    table.sort(wrong)
    assert(count > 100, "require is written in another way: change this spec")
    assert(#wrong == 0, "\n" .. table.concat(wrong, "\n"))
  end)

  it("require nothing in a circle", function()
    local edges = {}
    for file, list in pairs(requires) do
      edges[file] = {}
      for _, one in ipairs(list) do edges[file][one.file] = "line " .. one.n end
    end
    local found = graph.circle(edges)
    assert(not found, found)
  end)

  -- A require inside of a function hides what a file stands on.
  it("require at their top", function()
    local wrong = {}
    for file, list in pairs(requires) do
      for _, one in ipairs(list) do
        if one.line:find("^%s") then
          wrong[#wrong + 1] = ("%s:%d: %s"):format(file, one.n, one.line)
        end
      end
    end
    table.sort(wrong)
    assert(#wrong == 0, "\n" .. table.concat(wrong, "\n"))
  end)

  -- A spec in spec/pomelua of its name, or one that says so: it names the file with its folder.
  it("have a spec each", function()
    local text, wrong = {}, {}
    local pipe = io.popen("find spec -name '*_spec.lua' -not -path 'spec/house/*'"
      .. " -not -path '*/node_modules/*'")
    for path in pipe:lines() do text[#text + 1] = read(path) end
    pipe:close()
    text = table.concat(text, "\n")
    for file in pairs(requires) do
      local name = file:match("([%w_]+)%.lua$")
      local named = text:find("%f[%w_/]" .. file:gsub("%p", "%%%0") .. "%f[^%w_]")
      if not named and not exists("spec/pomelua/" .. name .. "_spec.lua") then
        wrong[#wrong + 1] = ("%s: no spec/pomelua/%s_spec.lua, and no spec names it")
          :format(file, name)
      end
    end
    table.sort(wrong)
    assert(#wrong == 0, "\n" .. table.concat(wrong, "\n"))
  end)

  it("say their name first", function()
    local wrong = {}
    for file in pairs(requires) do
      local name = file:gsub("%.lua$", ""):gsub("/init$", "")
      local short = name:match("[%w_]+$")
      local first = read("lua/pomelua/" .. file):match("^%-%- ([%w_.]+):")
      -- cli.test is not test.
      if file ~= "init.lua" and first ~= short and first ~= name:gsub("/", ".") then
        wrong[#wrong + 1] = file .. ": its first line begins with " .. tostring(first)
      end
    end
    table.sort(wrong)
    assert(#wrong == 0, "\n" .. table.concat(wrong, "\n"))
  end)

  it("stand in layers that the map shows as they are", function()
    local shown = {}
    for line in io.lines("lua/README.md") do
      if line:find("^## ") then break end
      local layer, list = line:match("^| `(%l+)` | (.*)|$")
      if layer then
        shown[layer] = {}
        for other in list:gmatch("`(%l+)`") do table.insert(shown[layer], other) end
      end
    end
    for layer, list in pairs(may) do
      table.sort(list)
      table.sort(shown[layer] or {})
      assert.same(list, shown[layer], layer)
    end
  end)

  it("are all in the map, and no others", function()
    local folder, mapped, wrong = nil, {}, {}
    for line in io.lines("lua/README.md") do
      folder = line:match("^## (%l+):") or folder
      local name = folder and line:match("^| `([%w_]+)` |")
      if name then mapped[(folder == "top" and "" or folder .. "/") .. name .. ".lua"] = true end
    end
    for file in pairs(requires) do
      if not mapped[file] then wrong[#wrong + 1] = "not in lua/README.md: " .. file end
    end
    for file in pairs(mapped) do
      if not requires[file] then wrong[#wrong + 1] = "lua/README.md has " .. file end
    end
    table.sort(wrong)
    assert(#wrong == 0, "\n" .. table.concat(wrong, "\n"))
  end)
end)
