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
  cli = { "base", "config", "client", "app", "ops", "top" },
  test = { "base", "run", "live", "session", "app", "config", "client" },
  -- boot and init, which put the parts together, and the public names.
  top = { "base", "run", "live", "app" },
}

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

-- What a file requires, wherever in it that stands: {file, n, line}. The word in a text or in a
-- comment does not count.
local function requires_of(file)
  local list, n = {}, 0
  for line in (read("lua/pomelua/" .. file) .. "\n"):gmatch("(.-)\n") do
    n = n + 1
    local before, module = line:match("^([^\"']*)%f[%w_]require%s*%(?%s*[\"'](pomelua[%w_.]*)")
    if module and module ~= "pomelua.core" and not before:find("%-%-") then
      list[#list + 1] = { file = file_of(module), n = n, line = line }
    end
  end
  return list
end

local function contains(list, value)
  for _, v in ipairs(list) do if v == value then return true end end
  return false
end

describe("the files of lua/pomelua", function()
  local graph, count = {}, 0
  for _, file in ipairs(sources()) do
    graph[file] = requires_of(file)
    count = count + #graph[file]
  end

  it("require only what their folder may know", function()
    local wrong = {}
    for file, list in pairs(graph) do
      local layer = layer_of(file)
      assert(may[layer], "which folder is " .. file .. " in?")
      for _, one in ipairs(list) do
        local other = one.file
        assert(graph[other], file .. " requires what is not there: " .. other)
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
    local state = {}
    local function visit(file, trail)
      if state[file] == "done" then return end
      assert(state[file] == nil, "circle: " .. trail .. file)
      state[file] = "open"
      for _, one in ipairs(graph[file]) do visit(one.file, trail .. file .. " -> ") end
      state[file] = "done"
    end
    for file in pairs(graph) do visit(file, "") end
  end)

  -- A require inside of a function hides what a file stands on.
  it("require at their top", function()
    local wrong = {}
    for file, list in pairs(graph) do
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
