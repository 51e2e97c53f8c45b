-- cli.run: `pomelua run` runs a script outside of any server: bots and tools, which speak to
-- servers by pomelua.client.
local files = require "pomelua.base.files"
local script = require "pomelua.cli.script"
local texts = require "pomelua.cli.text"

local fail = texts.fail

local HELP = [[
Usage: pomelua run SCRIPT [ARGUMENTS]

Runs a Lua script outside of any server: a bot, a tool. The script has what follows its name
as ... and as arg; require finds pomelua.client and the modules beside the script. It runs in
a task, as handlers do: clients, pomelua.sleep and pomelua.await wait while others go on;
pomelua.all{ f, ... } runs many at once, pomelua.every(ms, f) again and again. It ends with the
number that it returns or gives to os.exit, 0 when it returns nothing, and with 1 and a
traceback after an error of its own, of a listener or of a timer.
]]

local function status_of(value)
  if value == nil or value == true then return 0 end
  if value == false then return 1 end
  return tonumber(value) or 0
end

---@param args string[]
---@return number status
return function(args)
  local path = args[1]
  if path == "--help" or path == "-h" then
    io.stdout:write(HELP)
    return 0
  end
  if not path then return fail(2, "run: which script? (see: pomelua run --help)") end
  if path:sub(1, 1) == "-" then
    return fail(2, ("run: unknown option %s (see: pomelua run --help)"):format(path))
  end
  if not files.exists(path) or files.is_folder(path) then
    return fail(1, "run: there is no script " .. path)
  end
  local dir = path:match("^(.*)/[^/]*$") or "."
  package.path = ("%s/?.lua;%s/?/init.lua;%s"):format(dir, dir, package.path)
  arg = { [0] = path, unpack(args, 2) } -- luacheck: ignore
  local chunk, message = loadfile(path)
  if not chunk then return fail(1, "run: " .. message) end
  local ok, value = script.run(chunk, arg)
  return ok and status_of(value) or 1
end
