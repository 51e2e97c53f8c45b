-- boot: the thread of a server calls it once, in a new Lua state. It prepares the globals of
-- scripts and runs app.lua. An error becomes one line, which the program prints.
local databases = require "pomelua.app.databases"
local errors = require "pomelua.base.errors"
local finalizers = require "pomelua.run.finalizers"
local guards = require "pomelua.run.guards"
local json = require "pomelua.base.json"
local kept = require "pomelua.live.kept"
local lifecycle = require "pomelua.app.lifecycle"
local loader = require "pomelua.live.loader"
local log = require "pomelua.base.log"
local logs = require "pomelua.app.logs"
local server = require "pomelua.app.server"
local state_file = require "pomelua.store.state_file"
local task = require "pomelua.run.task"

local NOT_STARTED = "app.lua: app:start() has not been called; it is the last line of app.lua"
local START_WAIT = 10000 -- for app:start(), ms

local function exit_status(code)
  if code == nil or code == true then return 0 end
  if code == false then return 1 end
  return tonumber(code) or 1
end

-- Without a seed math.random gives the same numbers in every new state.
local function seed()
  local file = io.open("/dev/urandom", "rb")
  local bytes = file and file:read(6) or tostring(os.time())
  if file then file:close() end
  local n = 0
  for i = 1, #bytes do n = n * 256 % 2 ^ 45 + bytes:byte(i) end
  math.randomseed(n)
end

-- Prepares the functions of Lua that scripts use. Modules of the app are found by live/generation,
-- not by package.path.
local function surround(node)
  print = log.print -- luacheck: ignore
  seed()
  finalizers.protect()
  guards.protect()
  os.exit = function(code) -- luacheck: ignore
    node:shutdown(exit_status(code))
    task.exit()
  end
end

local function run_app(one)
  local ok, message = kept.restore(one)
  if not ok then return lifecycle.fail(one, message) end
  loader.load_app(one)
  if one.life.state ~= "new" then return end
  if next(one.timers) == nil and next(one.rpc.calls) == nil and not task.is_ready(one) then
    return lifecycle.refuse(one, NOT_STARTED)
  end
  -- It may start later, from a callback.
  one.app:setTimeout(START_WAIT, function()
    if one.life.state == "new" then
      lifecycle.refuse(one, NOT_STARTED)
    end
  end)
end

---@param node userdata
---@param text string JSON: {base, env, server, servers, known, only, log, bans, data, state, first}
return function(node, text)
  local given = assert(json.decode(text))
  surround(node) -- before the server takes what its scripts see
  local one = server.new(node, {
    base = given.base, env = given.env, info = given.server, servers = given.servers,
    known = given.known,
  })
  one.life.first = given.first or false
  if given.state then one.kept.keeper = state_file.keeper(given.state) end
  if given.bans then one.bans.apply(one, { put = given.bans }) end
  local wrong = logs.open(one, given.log) or databases.open(one, given.data or given.base)
  if wrong then return lifecycle.refuse(one, wrong) end
  -- The program's last line has the error; the traceback is logged at the level "debug".
  local owner = { name = "app.lua", level = "debug" }
  function owner.failed(_, err)
    local message = errors.text(err)
    lifecycle.refuse(one, message:find("app.lua", 1, true) and message or "app.lua: " .. message)
  end
  task.run(one, owner, run_app, one)
end
