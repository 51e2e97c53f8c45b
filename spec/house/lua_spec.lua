-- Rules about lua/pomelua: which folder may require which, and no circles.
local may = {
  base = {},
  run = { "base" },
  live = { "base", "run" },
  session = { "base", "run" },
  channel = { "base", "run", "session" },
  message = { "base", "run", "live", "session" },
  ops = { "base", "run", "live" },
  app = { "base", "run", "live", "session", "channel", "message", "ops" },
  config = { "base" },
  client = { "base" },
  cli = { "base", "config", "client", "run", "app", "ops", "top" },
  test = { "base", "run", "live", "session", "app", "config", "client" },
  -- boot and init, which put the parts together, and the public names.
  top = { "base", "run", "live", "app" },
}

local graph = require "spec.support.graph"

local function read(path)
  local f = assert(io.open(path))
  local text = f:read("*a")
  f:close()
  return text
end

local function exists(path)
  local f = io.open(path)
  if f then f:close() end
  return f ~= nil
end

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
end)
