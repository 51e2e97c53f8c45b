-- cli.test: `pomelua test` runs busted on a game's specs with the framework on the path.
local core = require "pomelua.core"
local files = require "pomelua.base.files"
local texts = require "pomelua.cli.text"

local fail, quoted = texts.fail, texts.quoted

local HELP = [[
Usage: pomelua test [DIR|FILE...] [options] [-- BUSTED ARGUMENTS]

Runs the specs of the game in DIR, the current folder when left out, with busted on LuaJIT;
or these files alone, from the folder of the game that they lie in.

Options:
  -d DIR      the folder of the game
  --jit off   with the compiler off
  --watch     again whenever a script changes
]]

local function parse(args)
  local options = { rest = {}, files = {} }
  local i = 1
  while i <= #args do
    local word = args[i]
    if word == "--" then
      for k = i + 1, #args do options.rest[#options.rest + 1] = args[k] end
      break
    elseif word == "--watch" or word == "--help" or word == "-h" then
      options[word == "--watch" and "watch" or "help"] = true
    elseif word == "--jit" then
      i = i + 1
      if args[i] ~= "on" and args[i] ~= "off" then return nil, "--jit is on or off" end
      options.jit = args[i]
    elseif word == "-d" or word == "--directory" then
      i = i + 1
      if not args[i] then return nil, word .. " needs a folder" end
      options.dir = args[i]
    elseif word:sub(1, 1) == "-" then
      return nil, ("unknown option %s; options for busted come after --"):format(word)
    elseif files.is_folder(word) and not options.dir then
      options.dir = word
    elseif files.exists(word) and not files.is_folder(word) then
      if not word:find("%.lua$") then return nil, word .. " is no Lua file" end
      options.files[#options.files + 1] = word
    elseif options.dir then
      return nil, ("give one folder, not %s as well"):format(word)
    else
      return nil, "there is no folder or file " .. word
    end
    i = i + 1
  end
  return options
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

-- busted finds the framework's Lua files, and core.so beside the program.
local function command(base, options)
  local lua = files.absolute(home())
  local dir = core.exe():match("^(.*)/") or "."
  local words = {
    "cd", quoted(base), "&&",
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

---@param args string[]
---@return number status
return function(args)
  local options, message = parse(args)
  if not options then return fail(2, ("test: %s (see: pomelua test --help)"):format(message)) end
  if options.help then
    io.stdout:write(HELP)
    return 0
  end
  local base
  base, message = place(options)
  if not base then return fail(1, "test: " .. message) end
  local status = core.execute(command(base, options))
  local before = options.watch and seen(base)
  while options.watch do
    core.pause(300)
    local now = seen(base)
    if now ~= before then
      before = now
      io.stdout:write("\n")
      status = core.execute(command(base, options))
    end
  end
  return status
end
