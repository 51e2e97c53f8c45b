-- An app whose handlers run what a spec sends them, so that a spec shows in one
-- place what a script does and what a client sees of it.
--
--   servers: connector-1, -2, -3 and gate-1 (frontends), chat-1, -2, -3, room-1, -2
--   <type>.probe.run {lua = text, args = any}: runs the text as the body of a handler;
--     what it sees: app, session, next, msg, args, pomelua, keep (a table that the
--     server keeps), node (the server's C side), show(...) which makes texts of
--     values, and tell, a callback that answers with show(...)
--   app.rpc.<type>.probe.run(param, text, ..., cb): runs the text as the body of a
--     remote; what it sees: app, cb, keep, node, and the arguments as ...
--
-- The messages of room go where msg.body.to says, by the route function of
-- probe.route. A file of `files` takes the place of the one below.

local apps = require "spec.support.app"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"

local probe = {}

local APP = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()
local keep = {}
app:set("keep", keep)
app:configure("all", "connector|gate", function()
  app:set("connectorConfig", { distinctHost = true })
end)
local held -- the callback of a message whose route is not known before the next one says so
app:route("room", function(session, msg, _, cb)
  local body = msg.body or session
  if body.how == "back" then
    app:setTimeout(1, function() cb(nil, body.to) end)
  elseif body.how == "hold" then
    held = function() cb(nil, body.to) end
  elseif body.how == "let go" then
    held()
    return body.to
  elseif body.how == "back with an error" then
    cb("the rooms are shut")
  elseif body.how == "an error" then
    return nil, "the rooms are shut"
  elseif body.how == "raise" then
    error("the router is lost")
  elseif body.how == "a number" then
    return 5
  elseif body.how == "wait" then
    pomelua.sleep(1)
    return body.to
  elseif body.how == "twice" then
    cb(nil, body.to)
    cb(nil, "room-1")
  elseif body.how ~= "never" then
    return body.to
  end
end)
require "app.settings" (app)
app:start()
]]

local HANDLER = [[
local pomelua = require "pomelua"
local core = require "pomelua.core"

local function text(value)
  if type(value) == "table" and value.message then
    return "error " .. tostring(value.code) .. ": " .. tostring(value)
  end
  return value == nil and "nil" or core.encode(value)
end

local function show(...)
  local list = pomelua.array()
  for i = 1, select("#", ...) do list[i] = text((select(i, ...))) end
  return list
end

return function(app)
  local Probe = {}
  function Probe:run(msg, session, next)
    local fn = assert(loadstring(msg.lua, "=probe"))
    return setfenv(fn, setmetatable({
      app = app, session = session, next = next, msg = msg, args = msg.args, pomelua = pomelua,
      keep = app:get("keep"), node = app._server.node, show = show,
      tell = function(...) next(nil, show(...)) end,
    }, { __index = _G }))()
  end
  return Probe
end
]]

local REMOTE = [[
return function(app)
  local Probe = {}
  function Probe:run(text, ...)
    local n = select("#", ...)
    local fn = assert(loadstring(text, "=probe"))
    return setfenv(fn, setmetatable({
      app = app, cb = select(n, ...), keep = app:get("keep"), node = app._server.node,
    }, { __index = _G }))(...)
  end
  return Probe
end
]]

local function entry(id, frontend)
  if not frontend then return ('{"id": "%s", "host": "127.0.0.1"}'):format(id) end
  return ('{"id": "%s", "host": "127.0.0.1", "clientPort": 0, "frontend": true}'):format(id)
end

-- The files of the app. `settings`: Lua text that runs in app.lua with `app`.
---@param settings string?
---@param files table<string, string>?
---@return table<string, string>
function probe.files(settings, files)
  local all = {
    ["app.lua"] = APP,
    ["app/settings.lua"] = "return function(app)\n" .. (settings or "") .. "\nend\n",
    ["config/servers.json"] = ('{"development": {"connector": [%s, %s, %s], "gate": [%s], '
      .. '"chat": [%s, %s, %s], "room": [%s, %s]}}'):format(entry("connector-1", true),
      entry("connector-2", true), entry("connector-3", true), entry("gate-1", true),
      entry "chat-1", entry "chat-2", entry "chat-3", entry "room-1", entry "room-2"),
  }
  for _, stype in ipairs { "connector", "gate", "chat", "room" } do
    all["app/servers/" .. stype .. "/handler/probe.lua"] = HANDLER
    all["app/servers/" .. stype .. "/remote/probe.lua"] = REMOTE
  end
  for path, text in pairs(files or {}) do all[path] = text or nil end
  return all
end

-- ---- what a client of spec/support/pomelo can do besides ----

local more = {}

-- Runs a text in a handler of a server type, that of its own frontend when left out.
-- `fields`: of the message, besides lua and args.
---@param stype string?
---@param text string
---@param args any?
---@param fields table?
---@return any answer
function more:run(stype, text, args, fields)
  local body = { lua = text, args = args }
  for key, value in pairs(fields or {}) do body[key] = value end
  local answer, message = self:request((stype or self.type) .. ".probe.run", body)
  if answer == nil then error(tostring(message), 2) end
  return answer
end

-- The same without waiting for the answer.
---@return integer id
function more:askRun(stype, text, args, fields)
  local body = { lua = text, args = args }
  for key, value in pairs(fields or {}) do body[key] = value end
  return self:ask((stype or self.type) .. ".probe.run", body)
end

function more:bind(uid)
  local got = self:run(nil, "session:bind(args, function(err) next(err, { code = 200 }) end)", uid)
  assert(got.code == 200, "not bound")
end

-- The routes of the pushes that came before the answer to a request sent now, and
-- the pushes themselves.
---@return string routes separated by blanks
---@return table[] pushes
function more:pushed()
  self:run(nil, "return true")
  local list, routes = self.pushes, {}
  self.pushes = {}
  for i, push in ipairs(list) do routes[i] = push.route end
  return table.concat(routes, " "), list
end

-- ---- the running app ----

local methods = {}

-- Connects to a frontend, connector-1 when left out. `opts.ws`: by WebSocket;
-- `opts.uid`: bound to it.
---@param id string?
---@param opts table?
---@return table client of spec/support/pomelo
function methods:client(id, opts)
  id, opts = id or "connector-1", opts or {}
  local client = pomelo.connect(assert(self.ports[id], id), opts.ws and "ws" or "tcp")
  for name, method in pairs(more) do client[name] = method end
  client.type = id:match("^%a+")
  self.clients[#self.clients + 1] = client
  if opts.uid then client:bind(opts.uid) end
  return client
end

-- Waits for a line of the log that holds `text`.
---@param text string
---@return string? line, string? message
function methods:logged(text)
  return self.process:waitLine("^.*" .. text:gsub("%p", "%%%0") .. ".*$", nil, "err")
end

-- Closes the clients of one `it`, which must not have hurt the servers.
function methods:clear()
  for _, client in ipairs(self.clients) do client:close() end
  self.clients = {}
  assert(not self.process.code, "the program has ended: " .. self.process.err)
end

-- Ends it, in order. `patterns`: the errors that its log was meant to have.
---@param patterns string[]?
function methods:finish(patterns)
  local ok, message = pcall(function()
    self:clear()
    self:stop(patterns)
  end)
  net.closeAll()
  if not ok then error(message, 0) end
end

---Gives a running app, or a part of one (spec/support/parts), its clients.
---@param app table
---@return table app
function probe.of(app)
  for name, method in pairs(methods) do app[name] = method end
  app.clients = {}
  return app
end

---@param settings string? as of probe.files
---@param files table<string, string>?
---@param opts table? as of spec/support/app
---@return table app of spec/support/app
function probe.start(settings, files, opts)
  return probe.of(apps.start(probe.files(settings, files), opts))
end

return probe
