-- cli.test: `pomelua test` runs busted on a game's specs with the framework on the path.
local command = require "pomelua.cli.command"
local core = require "pomelua.core"
local files = require "pomelua.base.files"
local texts = require "pomelua.cli.text"

local fail, quoted = texts.fail, texts.quoted

local test = {}

-- Folders and files among the words.
local function check(given)
  given.files, given.rest = {}, given.rest or {}
  for _, word in ipairs(given) do
    if files.is_folder(word) and not given.dir then
      given.dir = word
    elseif files.exists(word) and not files.is_folder(word) then
      if not word:find("%.lua$") then return word .. " is no Lua file" end
      given.files[#given.files + 1] = word
    elseif given.dir then
      return ("give one folder, not %s as well"):format(word)
    else
      return "there is no folder or file " .. word
    end
  end
end

-- The folder of the game that a file lies in: the nearest with an app.lua; else its own.
local function game_of(path)
  local own = path:match("^(.*)/[^/]*$")
  local dir = own
  while dir and dir ~= "" do
    if files.exists(dir .. "/app.lua") then return dir end
    dir = dir:match("^(.*)/[^/]*$")
  end
  return own
end

-- The folder and the files, both in full.
local function place(options)
  local base = files.absolute(options.dir or ".")
  if not base then return nil, ("there is no folder %s"):format(options.dir) end
  for i, name in ipairs(options.files) do
    local path = files.absolute(name)
    options.files[i] = path
    if not options.dir and i == 1 then base = game_of(path) end
  end
  return base
end

-- The folder of the framework's Lua files.
local function home()
  return (assert(package.searchpath("pomelua.cli.test", package.path))
    :match("^(.*)/pomelua/cli/test%.lua$"))
end

-- A variable of busted's: our files before those that the user has there.
local function variable(name, ours)
  return ('%s=%s"${%s:-;;}"'):format(name, quoted(ours), name)
end

-- Specs run in LuaJIT's own program, which a machine that only runs games needs not have.
local LUAJIT = "command -v luajit >/dev/null || { echo 'pomelua: test: luajit is not installed " ..
  "(Debian: lua-pomelua brings it)' >&2; exit 1; };"

-- busted finds the framework's Lua files, and core.so beside the program.
local function command_line(base, options)
  local lua = files.absolute(home())
  local dir = core.exe():match("^(.*)/") or "."
  local words = {
    LUAJIT, "cd", quoted(base), "&&",
    variable("LUA_PATH", ("%s/?.lua;%s/?/init.lua;"):format(lua, lua)),
    variable("LUA_CPATH", ("%s/lib/?.so;%s/../lib/lua/5.1/?.so;"):format(dir, dir)),
    "luajit", quoted(lua .. "/pomelua/test/run.lua"), "--ignore-lua",
  }
  if options.jit == "off" then
    words[#words + 1] = "--helper=" .. quoted(lua .. "/pomelua/test/jit_off.lua")
  end
  for _, word in ipairs(options.rest) do words[#words + 1] = quoted(word) end
  for _, path in ipairs(options.files) do words[#words + 1] = quoted(path) end
  return table.concat(words, " ")
end

-- What tells whether a script has changed: every file's path, time and size. A folder
-- is seen once, whatever links lead to it.
local function picture(dir, list)
  local identity = files.folder(dir)
  if not identity or list[identity] then return list end
  list[identity] = true
  for _, name in ipairs(files.list(dir) or {}) do
    local path = dir .. "/" .. name
    if files.is_folder(path) then
      picture(path, list)
    elseif name:match("%.lua$") or name:match("%.json$") then
      list[#list + 1] = path .. " " .. tostring(core.stamp(path))
    end
  end
  return list
end

local function seen(base)
  return table.concat(picture(base, {}), "\n")
end

-- What busted ends with is how many specs have failed, which could be any status.
local function busted(base, given)
  return core.execute(command_line(base, given)) == 0 and 0 or 1
end

local function main(given)
  local base, message = place(given)
  if not base then return fail(1, "test: " .. message) end
  local status = busted(base, given)
  local before = given.watch and seen(base)
  while given.watch do
    core.pause(300)
    local now = seen(base)
    if now ~= before then
      before = now
      io.stdout:write("\n")
      status = busted(base, given)
    end
  end
  return status
end

test.command = command.new {
  name = "test", group = "make",
  summary = "runs the specs of a game",
  usage = "[DIR|FILE...] [options] [-- BUSTED ARGUMENTS]",
  text = [[
Runs the specs of the game in DIR, the current folder when left out, with busted on LuaJIT; or these
files alone, from the folder of the game that they lie in. What stands behind -- goes to busted.
]],
  rest = true, words = { "test" },
  options = {
    {
      "-d", "--directory", value = "DIR", field = "dir", kind = "dir",
      text = "the folder of the game",
    },
    {
      "--jit", value = "on|off", field = "jit", choices = { "on", "off" },
      text = "off: with the compiler of LuaJIT off",
    },
    { "--watch", field = "watch", text = "again whenever a script changes" },
  },
  check = check,
  examples = {
    { "pomelua test", "runs all specs of the game in this folder" },
    { "pomelua test --watch -- --tags=quick", "some of them, again after each change" },
  },
  statuses = {
    [0] = "all specs have passed",
    [1] = "a spec has failed, or busted could not run",
  },
  files = { "app.lua" },
  see = { "check" },
  run = main,
}

return test
