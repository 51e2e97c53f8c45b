-- cli.run: `pomelua run` runs a script outside of any server: bots and tools, which speak to
-- servers by pomelua.client. Where that waits, all clients of the script are served.
local files = require "pomelua.base.files"

local client = require "pomelua.client"
local pomelua = require "pomelua"

local HELP = [[
Usage: pomelua run SCRIPT [ARGUMENTS]

Runs a Lua script outside of any server: a bot, a tool. The script has what follows its name
as ... and as arg; require finds pomelua.client and the modules beside the script.
pomelua.sleep(ms) and client.wait(ms) wait, and serve all clients meanwhile. The script ends
with the number that the script returns or gives to os.exit, 0 when it returns nothing, and
with 1 and a traceback after an error.
]]

local function fail(status, text)
  io.stderr:write("pomelua: ", text, "\n")
  return status
end

-- There is no server whose task could wait: the script's clients are served meanwhile.
local function sleep(ms)
  if type(ms) ~= "number" or ms ~= ms or ms < 0 or ms > 2 ^ 31 then
    error("pomelua.sleep(ms): ms must be a number of milliseconds from 0 to 2^31", 2)
  end
  client.wait(ms)
end

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
  pomelua.sleep = sleep
  local ok, value = xpcall(function() return chunk(unpack(arg)) end, function(err)
    return debug.traceback(tostring(err), 2)
  end)
  if not ok then return fail(1, value) end
  return status_of(value)
end
