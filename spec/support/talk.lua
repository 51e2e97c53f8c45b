-- The app that the specs of the network talk to: a connector and a chat server whose
-- handlers answer, stay silent, push, kick and tell what happened.
--
--   local server = talk.start { config = "heartbeat = 1", code = "…" }
--
-- config, server and proxy are fields of connectorConfig, serverConfig and proxyConfig
-- as Lua text; code runs in app.lua before app:start(); max is max-connections; files
-- are more files of the app; env are more variables.

local app = require "spec.support.app"
local pomelo = require "spec.support.pomelo"

local talk = {}

local app_lua = [[
local pomelua = require "pomelua"
local app = pomelua.createApp()

-- What became of the sessions that were watched, by tag; and who wants to know.
local ended, waiting = {}, {}

app:set("watch", function(session, tag)
  session:on("closed", function(_, reason)
    local told = { kind = type(reason), reason = reason }
    if waiting[tag] then waiting[tag](nil, told) else ended[tag] = told end
  end)
end)

app:set("ended", function(tag, next)
  if ended[tag] then next(nil, ended[tag]) else waiting[tag] = next end
end)

app:configure(nil, "connector", function()
  -- No rate: specs ask again and again for what they wait for.
  local config = { distinctHost = true, rate = false, @config@ }
  config.handshake = config.handshake or function(msg, cb, session)
    local tag = type(msg.user) == "table" and msg.user.tag
    if tag then app:get("watch")(session, tag) end
    cb(nil)
  end
  app:set("connectorConfig", config)
end)
app:set("serverConfig", { @server@ })
app:set("proxyConfig", { @proxy@ })
@code@
app:start()
]]

local entry_handler = [[
local pomelua = require "pomelua"

return function(app)
  local Handler = {}
  local channels = app:get("channelService")

  function Handler:echo(msg)
    if type(msg) == "table" then msg.__route__ = nil end
    return { code = 200, msg = msg }
  end
  function Handler:never() end

  -- Says which Lua type the handler was given.
  function Handler:kind(msg) return { kind = type(msg), n = type(msg) == "table" and #msg or 0 } end

  function Handler:join(msg, session, next)
    session:bind(msg.uid, function(err)
      if err then return next(err) end
      channels:getChannel("room", true):add(msg.uid, app:getServerId())
      next(nil, { code = 200 })
    end)
  end

  -- Into the room on the chat server, out of it at the end.
  function Handler:enter(msg, session, next)
    session:bind(msg.uid)
    if msg.tag then app:get("watch")(session, msg.tag) end
    session:on("closed", function(gone)
      app.rpc.chat.chatRemote.leave(gone, gone.uid, app:getServerId(), nil)
    end)
    app.rpc.chat.chatRemote.add(session, msg.uid, app:getServerId(), function(err)
      next(err, { code = 200 })
    end)
  end

  -- Many pushes in one turn.
  function Handler:shout(msg)
    local room = channels:getChannel("room", true)
    for i = 1, msg.n or 1 do
      room:pushMessage("onShout", { i = i, text = msg.text, pad = ("x"):rep(msg.pad or 0) })
    end
    return { code = 200 }
  end

  -- To everyone on the connectors.
  function Handler:all(msg)
    msg.__route__ = nil
    channels:broadcast("connector", "onAll", msg)
    return { code = 200 }
  end

  function Handler:kick(msg, session)
    session:kick(msg.reason)
  end
  function Handler:watch(msg, session)
    app:get("watch")(session, msg.tag)
    return { code = 200 }
  end
  function Handler:ended(msg, _, next) app:get("ended")(msg.tag, next) end

  -- rpc calls that are never answered, n of them; says how many failed at once.
  function Handler:calls(msg, _, next)
    local failed, text = 0, nil
    for _ = 1, msg.n do
      app.rpc.chat.chatRemote.never(nil, function(err)
        failed = failed + 1
        text = err and err.message
      end)
    end
    pomelua.sleep(0)
    next(nil, { failed = failed, text = text })
  end

  -- The counters of this server.
  function Handler:counts()
    local counts = app._server.node:counts()
    counts.badBodies = app._server.bad_bodies
    return counts
  end

  -- Waits, and holds nobody up.
  function Handler:nap(msg) pomelua.sleep(msg.ms) end

  -- Holds the whole server up.
  function Handler:busy(msg)
    local till = os.clock() + msg.ms / 1000
    repeat until os.clock() >= till
    return { code = 200 }
  end

  function Handler:_hidden() return { code = 200 } end
  function Handler:empty() return {} end
  function Handler:answersNothing(_, _, next) next() end
  function Handler:answersFalse(_, _, next) next(nil, false) end
  function Handler:answersEmpty(_, _, next) next(nil, "") end
  function Handler:text() return { text = "a\240\159\152\128x}" } end
  function Handler:fails() error("on purpose") end

  return Handler
end
]]

local chat_handler = [[
return function(app)
  local Handler = {}
  local channels = app:get("channelService")

  function Handler:echo(msg)
    if type(msg) == "table" then msg.__route__ = nil end
    return { code = 200, msg = msg }
  end
  function Handler:never() end
  function Handler:shout(msg)
    local pad = ("x"):rep(msg.pad or 0)
    channels:getChannel("room", true):pushMessage("onShout", { i = msg.i, pad = pad })
  end

  return Handler
end
]]

local chat_remote = [[
return function(app)
  local Remote = {}
  local channels = app:get("channelService")

  function Remote:never() end
  function Remote:add(uid, sid, cb)
    channels:getChannel("room", true):add(uid, sid)
    cb()
  end
  function Remote:leave(uid, sid)
    channels:getChannel("room", true):leave(uid, sid)
  end

  return Remote
end
]]

local servers = [[
{
  "connector": [
    {"id": "connector-1", "host": "127.0.0.1", "port": 0, "clientPort": 0, "frontend": true@max@}
  ],
  "chat": [{"id": "chat-1", "host": "127.0.0.1", "port": 0}]
}
]]

---@param opts table?
---@return table server as of spec.support.app, and port
function talk.start(opts)
  opts = opts or {}
  local function fill(text)
    return (text:gsub("@(%a+)@", function(key) return opts[key] or "" end))
  end
  local files = {
    ["app.lua"] = fill(app_lua),
    ["config/servers.json"] = (servers:gsub("@max@",
      opts.max and (', "max-connections": ' .. opts.max) or "")),
    ["app/servers/connector/handler/entryHandler.lua"] = entry_handler,
    ["app/servers/chat/handler/chatHandler.lua"] = chat_handler,
    ["app/servers/chat/remote/chatRemote.lua"] = chat_remote,
  }
  for name, text in pairs(opts.files or {}) do files[name] = text end
  local server = app.start(files, { env = opts.env })
  server.port = server.ports["connector-1"]
  return server
end

local tags = 0

---A WORKING client whose end is told: talk.told.
---@param server table
---@param transport string?
---@return table client
---@return string tag
function talk.tagged(server, transport)
  tags = tags + 1
  local tag = "tag " .. tags
  return pomelo.connect(server.port, transport,
    ('{"sys":{},"user":{"tag":"%s"}}'):format(tag)), tag
end

---The reason that a listener for `closed` was told.
---@param server table
---@param tag string
function talk.told(server, tag)
  local client = pomelo.connect(server.port)
  return assert(client:request("connector.entryHandler.ended", { tag = tag })).reason
end

return talk
