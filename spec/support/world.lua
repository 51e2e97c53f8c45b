-- Servers of the Lua half on virtual nodes: no sockets, no threads, time stands
-- still. What one server sends to another crosses when the spec says so.
local core = require "pomelua.core"
local current = require "pomelua.base.current"
local json = require "pomelua.base.json"
local loader = require "pomelua.live.loader"
local server = require "pomelua.app.server"
local settings = require "pomelua.app.settings"

local world = {}
local methods = {}
local mt = { __index = methods }

---@param entries table[] entries of servers.json with serverType
function world.new(entries)
  current.only, current.server, current.task = nil, nil, nil
  local self = setmetatable({ servers = {}, order = {} }, mt)
  for _, entry in ipairs(entries) do
    local node = core.node { id = entry.id, type = entry.serverType, frontend = entry.frontend }
    local one = server.new(node, { info = entry, servers = entries, shared = #entries > 1 })
    self.servers[entry.id] = one
    self.order[#self.order + 1] = one
  end
  for _, one in ipairs(self.order) do
    for _, other in ipairs(self.order) do
      if one ~= other then one.node:peer(other.id, true) end
    end
  end
  return self
end

---Gives a server handlers and remotes: {[name] = module}; and settings.
function methods:load(id, given)
  local one = self.servers[id]
  local set = { handlers = {}, remotes = {}, services = {} }
  for name, module in pairs(given.handlers or {}) do
    for method, fn in pairs(loader.reachable(module)) do
      set.handlers[one.type .. "." .. name .. "." .. method] = { owner = module, fn = fn }
    end
  end
  for name, module in pairs(given.remotes or {}) do
    set.services[name] = true
    for method, fn in pairs(loader.reachable(module)) do
      set.remotes[name .. "." .. method] = { owner = module, fn = fn }
    end
  end
  loader.add_own(one, set)
  one.registry:swap(set)
  if given.settings then
    local checked = assert(settings.read(given.settings, one.info))
    one.node:configure(checked.numbers)
    one:use_settings(checked)
  end
  return one
end

local CROSS = { call = true, forward = true, answer = true, channel = true, interest = true }

---What servers sent to each other arrives, until nothing is left. self.lost(item), when it is set,
---says of what is lost on the way.
function methods:settle()
  local moved = true
  while moved do
    moved = false
    for _, one in ipairs(self.order) do
      one.node:settle()
      for _, item in ipairs(one.node:outbox()) do
        local to = self.servers[item.to]
        item.from = one.id
        item.ms = 60000 -- deadlines are the asking server's here
        local lost = self.lost and self.lost(item)
        if to and CROSS[item.kind] and not lost then
          moved = true
          to.node:deliver(item)
        end
      end
    end
  end
end

---Time moves on everywhere.
function methods:advance(ms)
  self:settle()
  for _, one in ipairs(self.order) do one.node:advance(ms) end
  self:settle()
end

---A message from a client. id nil: a notify. body: text, or a table that is encoded.
function methods:say(id, sid, msg_id, route, body)
  local bytes = assert(core.write_message {
    type = msg_id and 0 or 1, id = msg_id or 0, route = route,
    body = type(body) == "string" and body or assert(core.encode(body or {})),
  })
  assert(self.servers[id].node:clientData(sid, bytes))
  self:settle()
end

---What clients of a frontend have got since the last call: {sid, id, route, body, text, kick}.
function methods:got(id)
  local list = {}
  for _, item in ipairs(self.servers[id].node:sent()) do
    local one = { sid = item.sid, kind = item.kind }
    if item.kind == "data" then
      local msg = assert(core.read_message(item.bytes))
      one.id, one.route, one.text = msg.id, msg.route, msg.body
      one.body = json.decode(msg.body)
    elseif item.kind == "kick" then
      one.text = item.bytes
    end
    list[#list + 1] = one
  end
  return list
end

---Asks and gives the text of the one answer, nil when there is none.
function methods:ask(id, sid, route, body)
  self.next_id = (self.next_id or 0) + 1
  self:say(id, sid, self.next_id, route, body)
  local answer
  for _, one in ipairs(self:got(id)) do
    if one.id == self.next_id then
      assert(answer == nil, "answered twice")
      answer = one.text
    end
  end
  return answer
end

---Whether a log line of that level holds the text.
function methods:logged(id, level, text)
  for _, line in ipairs(self.servers[id].node:lines()) do
    if line.level == level and line.text:find(text, 1, true) then return true end
  end
  return false
end

---Runs fn in a task of a server.
function methods:run(id, fn)
  self.servers[id]:run("spec", fn)
  self:settle()
end

function methods:close()
  for _, one in ipairs(self.order) do one.node:close() end
  current.only, current.server, current.task = nil, nil, nil
end

---The usual three servers.
function world.usual()
  return world.new {
    { id = "connector-1", serverType = "connector", frontend = true, clientPort = 3010 },
    { id = "chat-1", serverType = "chat" },
    { id = "chat-2", serverType = "chat" },
  }
end

---One frontend.
function world.single()
  return world.new {
    { id = "connector-1", serverType = "connector", frontend = true, clientPort = 3010 },
  }
end

return world
