-- Nodes of C as specs of core/ see them: what clients send, what they got, which entries were
-- called, and records that cross from one node to another.
local assert = require "luassert"
local core = require "pomelua.core"

local nodes = {}

-- The answer to a request that could not be handled.
nodes.ERROR = '{"code":500}'

function nodes.request(id, route, body)
  return core.write_message { type = 0, id = id, route = route, body = body or "{}" }
end

function nodes.notify(route, body)
  return core.write_message { type = 1, route = route, body = body or "{}" }
end

-- The data that clients got, as {sid, id, body}.
function nodes.answers(node)
  local list = {}
  for _, item in ipairs(node:sent()) do
    if item.kind == "data" then
      local m = core.read_message(item.bytes)
      assert.equal(2, m.type)
      list[#list + 1] = { item.sid, m.id, m.body }
    else
      list[#list + 1] = item
    end
  end
  return list
end

-- Entries that note every call in a list.
function nodes.noting(node, names)
  local calls, entries = {}, {}
  for _, name in ipairs(names) do
    entries[name] = function(...) calls[#calls + 1] = { name, n = select("#", ...), ... } end
  end
  node:entries(entries)
  return calls
end

-- A frontend and a chat server that know each other, two more chat servers that are not up, and a
-- session at the frontend: front, chat, sid.
function nodes.forwarding()
  local servers = {
    { id = "connector-1", type = "connector", frontend = true },
    { id = "chat-1", type = "chat" }, { id = "chat-2", type = "chat" },
    { id = "chat-3", type = "chat" },
  }
  local front = core.node { id = "connector-1", type = "connector", frontend = true }
  local chat = core.node { id = "chat-1", type = "chat" }
  front:setServers(servers)
  chat:setServers(servers)
  front:peer("chat-1", true)
  chat:peer("connector-1", true)
  return front, chat, front:openSession()
end

-- Delivers the records of one node that are meant for another.
function nodes.cross(from, to)
  for _, item in ipairs(from:outbox()) do
    if item.to == to:id() then
      item.from = from:id()
      to:deliver(item)
    end
  end
end

return nodes
