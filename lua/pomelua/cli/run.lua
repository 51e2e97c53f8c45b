-- cli.run: `pomelua run` runs a script outside of any server: bots and tools, which speak to
-- servers by pomelua.client.
local command = require "pomelua.cli.command"
local files = require "pomelua.base.files"
local later = require "pomelua.base.later"
local texts = require "pomelua.cli.text"

local script = later "pomelua.cli.script"

local fail = texts.fail

local run = {}

local function status_of(value)
  if value == nil or value == true then return 0 end
  if value == false then return 1 end
  return tonumber(value) or 0
end

local function main(given)
  local path = given[1]
  if not files.exists(path) or files.is_folder(path) then
    return fail(1, "run: there is no script " .. path)
  end
  local dir = path:match("^(.*)/[^/]*$") or "."
  package.path = ("%s/?.lua;%s/?/init.lua;%s"):format(dir, dir, package.path)
  arg = { [0] = path, unpack(given, 2) } -- luacheck: ignore
  local chunk, message = loadfile(path)
  if not chunk then return fail(1, "run: " .. message) end
  local ok, value = script.run(chunk, arg, path)
  return ok and status_of(value) or 1
end

run.command = command.new {
  name = "run", group = "run",
  summary = "runs a script outside of any server: a bot, a tool",
  usage = "SCRIPT [ARGUMENTS]",
  text = [[
Runs a Lua script outside of any server: a bot, a tool. The script has what follows its name as ...
and as arg; require finds pomelua.client and the modules beside the script. It runs in a task, as
handlers do: clients, pomelua.sleep and pomelua.await wait while others go on; pomelua.all{ f, ... }
runs many at once, pomelua.every(ms, f) again and again. pomelua.token has the keys of the app in
whose folder the script lies, or else of the one in this folder.
]],
  script = true, words = { "lua", "file" },
  check = function(given)
    if not given[1] then return "which script?" end
  end,
  examples = {
    { "pomelua run bots.lua 100", "runs the script bots.lua, which gets 100 as its argument" },
  },
  statuses = {
    [0] = "the script has ended, and returned nothing, true or 0",
    [1] = "there is no such script, or it ended with an error of its own, of a listener or of a "
      .. "timer, or returned false",
    other = "the number that the script returned or gave to os.exit",
  },
  files = { "app.lua" },
  see = { "bench", "token" },
  run = main,
}

return run
