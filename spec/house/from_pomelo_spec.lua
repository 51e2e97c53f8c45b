-- docs/from-pomelo.md: its table has every public method and key of Pomelo's, and what it calls the
-- same is there.
local pomelua = require "pomelua"
local settings = require "pomelua.app.settings"
local unsupported = require "pomelua.app.unsupported"
local world = require "spec.support.world"

local file = assert(io.open("docs/from-pomelo.md"))
local text = file:read "*a"
file:close()

local table_text = assert(text:match("\n## Every method and key\n(.-)\n## "))

-- The rows below a heading: the three cells of each.
local function rows(heading)
  local list = {}
  local whole = table_text .. "\n### "
  local part = assert(whole:match("\n### " .. heading .. "\n(.-)\n### "), heading)
  for line in part:gmatch("[^\n]+") do
    local first, second, third = line:match("^| (.-) | (.-) | ?(.-) ?|$")
    if first and first ~= "Pomelo" then list[#list + 1] = { first, second, third } end
  end
  assert(#list > 0, heading)
  return list
end

-- The names in backticks of a cell, without their arguments.
local function names(cell)
  local list = {}
  for word in cell:gmatch("`([^`]+)`") do list[#list + 1] = word:match("^[%w_.]+") end
  return list
end

local APP = [[set get enable disable enabled disabled configure start stop getBase require
loadConfig loadConfigBaseApp use load registerAdmin transaction getServers getServersByType
getServerById getServerTypes getServersFromConfig getServerFromConfig getCurServer getServerId
getServerType getMaster isMaster isFrontend isBackend addServers removeServers replaceServers
addCrons removeCrons route filter before after globalFilter globalBefore globalAfter rpcFilter
rpcBefore rpcAfter beforeStopHook rpc sysrpc rpcInvoke event sessionService channelService
backendSessionService localSessionService]]

local OTHERS = [[add_servers remove_servers replace_servers bind_session unbind_session
close_session add_crons remove_crons start_server start_all get getByUid bind unbind kick
kickBySessionId import importAll sendMessage sendMessageByUid getClientAddressBySessionId
forEachSession forEachBindedSession getSessionsCount kickBySid kickByUid create push pushAll on
export closed toFrontendSession remove createChannel getChannel destroyChannel pushMessageByUids
broadcast add leave getMembers getMember getUserAmount destroy pushMessage connector heartbeat
timeout disconnectOnTimeout useDict useProtobuf useCrypto handshake checkClient encode decode
useAsyncCoder useHostFilter blacklistFun setNoDelay closeMethod distinctHost ssl singleSession
prefix store broadcastFilter reloadHandlers reloadRemotes enableForwardLog routerType
hashFieldIndex failMode bufferMsg interval pendingSize pushSchedulerConfig schedulerConfig
errorHandler globalErrorHandler rpcErrorHandler cronConfig connectionConfig backendSessionConfig
monitorConfig masterConfig dictionaryConfig protobufConfig systemMonitor rpcDebugLog serial time
timeout toobusy rpcLog master.json servers.json adminUser.json adminServer.json log4js.json
dictionary.json serverProtos.json clientProtos.json crons.json masterha.json cpu args init start
list stop kill add restart masterha version configureLogger serverId serverType curServer startTime
lifecycleCbs loaded components send sendBatch router enableRpcLog cacheMsg keepalive mailboxFactory
acceptorFactory rpcServer rpcClient adminAuthUser adminAuthServerMaster adminAuthServerMonitor
ssh_config_params beforeStartup afterStartup beforeShutdown afterStartAll clientHost clientPort
wsPort max-connections clusterCount auto-restart restart-force getStatisticsInfo toServer groups
records userAmount decodeIO_protobufConfig selector]]

describe("the table of Pomelo's methods and keys", function()
  it("has all of them", function()
    local missing = {}
    for word in (APP .. " " .. OTHERS):gmatch("%S+") do
      if not table_text:find("%f[%w_]" .. word:gsub("%p", "%%%0") .. "%f[^%w_]") then
        missing[#missing + 1] = word
      end
    end
    assert.same({}, missing)
  end)

  it("calls what app has the same, and says of what raises that it does", function()
    local w = world.single()
    local app, wrong = w.servers["connector-1"].app, {}
    for _, row in ipairs(rows "app") do
      for _, name in ipairs(names(row[1])) do
        local there = not name:find(".", 1, true) and app[name] ~= nil
        if row[2]:find("^same") and (not there or unsupported.is_declined(name)) then
          wrong[#wrong + 1] = name .. " is not there"
        elseif unsupported.is_declined(name) and not (row[2] .. row[3]):find("raises?") then
          wrong[#wrong + 1] = name .. " raises"
        end
      end
    end
    w:close()
    assert.same({}, wrong)
  end)

  it("calls what sessions and their services have the same", function()
    local w = world.single()
    local app, node = w.servers["connector-1"].app, w.servers["connector-1"].node
    local objects = {
      sessionService = app:get("sessionService"),
      backendSessionService = app:get("backendSessionService"),
      session = app:get("sessionService"):get(node:openSession()),
    }
    local wrong, seen = {}, 0
    for _, row in ipairs(rows "Sessions") do
      local object, list = row[1]:match("^`(%w+)`: (.*)$")
      for _, name in ipairs(object and row[2]:find("^same") and names(list) or {}) do
        seen = seen + 1
        if objects[object][name] == nil and name ~= "uid" then
          wrong[#wrong + 1] = object .. "." .. name
        end
      end
    end
    w:close()
    assert.same({}, wrong)
    assert.is_true(seen > 20)
  end)

  it("says of each setting whether a start refuses it", function()
    local refused, told = {}, {}
    settings.each(function(_, key, rule)
      if rule.kind == "refused" then refused[key] = true end
    end)
    for _, row in ipairs(rows "Settings") do
      for _, name in ipairs(names(row[1])) do
        if row[2]:find("^refused") then told[name:match("[^.]*$")] = true end
      end
    end
    for key in pairs(refused) do assert.is_true(told[key], key) end
  end)

  it("names filters that there are", function()
    for _, row in ipairs(rows "Filters of `pomelo`") do
      for _, name in ipairs(names(row[2])) do
        if name:find("^pomelua%.") then
          assert.equal("function", type(pomelua[name:match("%.(.*)")]), name)
        end
      end
    end
  end)
end)
