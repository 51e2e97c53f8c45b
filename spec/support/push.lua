-- Channels and the three pushes on a bare node of C, for specs of the C layer: a push gives what
-- node:onPush was told, or true when nobody is told anything.
local push = {}

local function done() end

-- Calls fn(cb) with a callback when ms is not 0.
local function result_of(node, ms, fn)
  local told
  node:onPush(function(_, cb, id, message, name)
    assert(cb == (ms > 0 and done or nil))
    told = { id, message, name }
  end)
  if ms > 0 then node:configure { pushTimeout = ms } end
  fn(ms > 0 and done or nil)
  if told then return unpack(told, 1, 3) end
  return true
end

function push.get(node, name, create) return node:channelService():getChannel(name, create) end

function push.channel(node, channel, route, msg, except, ms)
  return result_of(node, ms, function(cb)
    channel:pushMessage(route, msg, except and { except = except }, cb)
  end)
end

function push.uids(node, route, msg, uids, except, ms)
  return result_of(node, ms, function(cb)
    node:channelService():pushMessageByUids(route, msg, uids, except and { except = except }, cb)
  end)
end

---To the frontends of those ids, which become the node's list of servers.
function push.broadcast(node, sids, route, msg, opts, ms)
  local servers = {}
  for i, id in ipairs(sids) do servers[i] = { id = id, type = "connector", frontend = true } end
  node:setServers(servers)
  return result_of(node, ms, function(cb)
    node:channelService():broadcast("connector", route, msg, opts, cb)
  end)
end

return push
