-- A game that uses all that Pomelo's games use, in one: spec/program/whole_spec.lua plays it.
local pomelua = require "pomelua"
local app = pomelua.createApp()

app:set("title", "the whole", true)
app:enable("fun")
app:loadConfig("rules", "config/rules.json")

app:configure("production|development", function()
  app:set("serverConfig", { reload = false, enableForwardLog = true, timeout = 5000 })
  app:set("proxyConfig", { timeout = 2000, routerType = "ch", failMode = "failfast" })
  app:set("remoteConfig", { bufferMsg = true, interval = 30 })
  app:set("pushSchedulerConfig", {
    scheduler = pomelua.pushSchedulers.buffer, flushInterval = 20,
  })
  app:set("dictionaryConfig", { dict = "config/dictionary.json" })
  app:set("protobufConfig", { serverProtos = "config/serverProtos.json" })
  app:set("errorHandler", require "app.filters.errors")
  app:set("rpcErrorHandler", require("app.filters.calls").failed)
  app:rpcFilter(require "app.filters.calls")
  app:rpcFilter(pomelua.rpcLog())
  app:load(require "app.components.clock", { step = 50 })
  app:registerAdmin("online", require "app.online")
end)

app:configure("production|development", "connector", function()
  app:set("connectorConfig", {
    connector = pomelua.connectors.hybridconnector, distinctHost = true,
    heartbeat = 30, timeout = 60, setNoDelay = true, disconnectOnTimeout = true,
    useDict = true, useProtobuf = true, jsonResponses = { "json-client" },
    maxPackageSize = 32768, queueSoft = 65536,
    checkClient = function(kind) return kind ~= "old-client" end,
    handshake = function(msg, cb) cb(nil, { title = app.title, you = msg.user }) end,
  })
  app:set("sessionConfig", { singleSession = "kick-old" })
  app:set("channelConfig", {
    broadcastFilter = function(session, _, param)
      return not param or session:get("team") == param.team
    end,
  })
  app:set("globalErrorHandler", require "app.filters.errors")
  app:globalFilter(require "app.filters.gate")
  app:use(require "app.plugins.visitors", { visitors = { limit = 100 } })
end)

app:configure("production|development", "area|chat", function()
  app:set("channelConfig", {
    prefix = "whole", store = require "app.store", autoLeave = true, removeEmpty = true,
    onJoin = function(channel, uid) app:set("joined", channel.name .. " " .. uid) end,
    onLeave = function(channel, uid, _, reason)
      channel:pushMessage("onLeave", { user = tostring(uid), reason = reason })
    end,
  })
  app:filter(pomelua.serial())
  app:filter(pomelua.time())
  app:filter(pomelua.timeout(3000))
  app:before(pomelua.toobusy(10000))
  app:before(require "app.filters.login")
  app:filter(require "app.filters.abuse")
  app:cron("*/1 * * * * *", function()
    app:set("seconds", (app:get("seconds") or 0) + 1)
  end, { id = "seconds" })
end)

app:route("area", require "app.routes")
app:route("default", function(_, msg, a)
  return a:getServersByType(msg.serverType or msg.route:match "^[^.]+")[1].id
end)

app:start()
