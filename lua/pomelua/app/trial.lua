-- trial: what a server of a type would say at its start, for `pomelua check`. It runs in a Lua
-- state that is thrown away (core.scratch): app.lua and the modules of the type are loaded on a
-- node without sockets and threads, where scripts may read files and do nothing else outside.
local app_server = require "pomelua.app.server"
local certificates = require "pomelua.app.certificates"
local closed_doors = require "pomelua.live.closed_doors"
local core = require "pomelua.core"
local crons = require "pomelua.app.crons"
local current = require "pomelua.base.current"
local databases = require "pomelua.app.databases"
local errors = require "pomelua.base.errors"
local finalizers = require "pomelua.run.finalizers"
local guards = require "pomelua.run.guards"
local json = require "pomelua.base.json"
local lifecycle = require "pomelua.app.lifecycle"
local loader = require "pomelua.live.loader"
local setting_places = require "pomelua.app.setting_places"
local tables = require "pomelua.base.tables"
local task = require "pomelua.run.task"

local NOTHING = "pomelua check opens, writes and connects to nothing"

-- Libraries that reach out of the process do nothing.
local function stub_libraries()
  table.insert(package.loaders, 1, function(name)
    if closed_doors.is_outside(name) then return function() return closed_doors.stub end end
  end)
end

-- Values that come from a library which does nothing here are not known.
local function forget_stubs(settings)
  for key, value in pairs(settings) do
    if closed_doors.is_stub(value) then
      settings[key] = nil
    elseif type(value) == "table" and key:find("Config$") then
      for inner, one in next, value do
        if closed_doors.is_stub(one) then rawset(value, inner, nil) end
      end
    end
  end
end

local function check_certificates(one, found)
  local fault, notes = certificates.look_at(one)
  if fault then found.faults[#found.faults + 1] = setting_places.named(one, fault) end
  for _, line in ipairs(notes) do
    found.warnings[#found.warnings + 1] = setting_places.named(one, line)
  end
end

-- app:addCrons in app.lua comes before the functions that it names.
local function check_crons(one, set, found)
  local missing = crons.missing(one, set.crons)
  for _, id in ipairs(tables.sorted_keys(missing)) do
    found.faults[#found.faults + 1] = missing[id]
  end
end

-- Loads all as a start would, as far as it can without starting.
local function try(one, found, started)
  local ended, failed = false, nil
  local owner = { name = "app.lua", level = "debug" }
  function owner.failed(_, err) failed = errors.text(err):match("^[^\n]*") end
  task.run(one, owner, function()
    loader.load_app(one)
    ended = true
  end)
  if failed then
    found.faults[1] = failed:find("%.lua") and failed or "app.lua: " .. failed
    return
  elseif ended and not started() and next(one.timers) == nil and next(one.rpc.calls) == nil then
    found.faults[1] = "app.lua: app:start() has not been called; it is the last line of app.lua"
  end
  forget_stubs(one.app.settings)
  local set, message
  owner = { name = "start", level = "debug", failed = owner.failed }
  task.run(one, owner, function()
    set, message = lifecycle.prepare(one)
    if set then
      check_certificates(one, found)
      check_crons(one, set, found)
    end
    ended = ended and "all"
  end)
  message = message or failed
  if message then
    found.faults[#found.faults + 1] = message:match("^[^\n]*")
  elseif ended ~= "all" then
    found.warnings[#found.warnings + 1] = ("app.lua: %s waits for something before it is started, "
      .. "so that not everything was checked"):format(one.type)
  end
end

-- connectorConfig.auth as JSON: keys may be any bytes.
local function shown(rules)
  for _, key in ipairs(rules.keys) do
    key.key = key.key and key.key:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
  end
  return rules
end

---@param text string JSON {base =, env =, id =, servers = entries with their serverType, auth =
---whether it is asked for connectorConfig.auth}
---@return string JSON {faults = texts, warnings = texts, rated = routes of connectorConfig.rate,
---http = how many routes of app:http there are, auth = rules, each key in hexadecimal}
return function(text)
  local given = json.decode(text)
  local info
  for _, entry in ipairs(given.servers) do
    if entry.id == given.id then info = entry end
  end
  local found = { faults = json.array(), warnings = json.array(), rated = json.array() }
  finalizers.protect()
  guards.protect()
  stub_libraries()
  closed_doors.close(NOTHING, true) -- before the server takes what its scripts see
  local node = core.node { id = info.id, type = info.serverType, frontend = info.frontend }
  local one = app_server.new(node, {
    base = given.base, env = given.env, info = info, servers = given.servers, shared = true,
    virtual = true,
  })
  databases.close_doors(one, closed_doors.stub)
  one.http_stub = function() return nil, errors.new(NOTHING, "HTTP") end
  local started = false
  function lifecycle.begin(server) -- luacheck: ignore
    started, server.life.state = true, "starting"
  end
  rawset(one, "notice", function(_, line) found.warnings[#found.warnings + 1] = line end)
  try(one, found, function() return started end)
  if given.auth and one.checked.auth then found.auth = shown(one.checked.auth) end
  found.http = one.http.routes.count
  for route in pairs(one.checked.route_costs) do found.rated[#found.rated + 1] = route end
  node:close()
  current.only, current.server, current.task = nil, nil, nil
  return json.encode(found)
end
