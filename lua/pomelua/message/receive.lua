-- receive: a client's message, from this server's own client or forwarded by a frontend, goes to
-- its handler.
local filtered = require "pomelua.message.filtered"
local waiting = require "pomelua.run.waiting"
local json = require "pomelua.base.json"
local request = require "pomelua.message.request"
local task = require "pomelua.run.task"

-- Answers with the values that the handler has returned. Without a value, or with one nil, the
-- handler answers by next.
local function finish(req, first, second)
  if first ~= nil then
    req:answer(nil, first)
  elseif second ~= nil then
    req:answer(second)
  end
end

local function run(req, entry, from, body)
  task.works_for(from.frontendId, from.id)
  local server = req.generation.server
  local msg, ok = server.decode_body(body)
  if not ok then server.bad_bodies = server.bad_bodies + 1 end
  -- The route replaces a field of that name which the client has sent; an array has no fields.
  if type(msg) == "table" and not json.is_array(msg) then msg.__route__ = req.name end
  finish(req, entry.fn(entry.owner, msg, from, function(err, resp) req:answer(err, resp) end))
end

-- A client that asks for `constructor` is attacking: in Pomelo that name called a function of
-- JavaScript.
local function unknown(server, id, route, from)
  local req = request.new(server, id, route)
  if route:sub(-12) == ".constructor" then
    server:warn("attack: " .. route, "attacks")
    req:drop()
    return task.run(server, req, from.kick, from, "attack")
  end
  server:info_line(route .. ": fail to find handler for " .. route, "messages without a handler")
  req:failed()
end

---@param server pomelua.Server
---@param id number|nil nil for a notify, which has no answer
---@param from pomelua.Session|pomelua.BackendSession the client's session
---@param route string
---@param body string
---@param msg_id number the client's number of the request; 0 for a notify
return function(server, id, from, route, body, msg_id)
  if waiting.is_full(server, from, route) then
    if id then server.node:answer(id, { code = 500 }) end
    return
  end
  local entry = server.registry:handler(route)
  local plans = server.plans
  if plans and (entry or route:sub(-12) ~= ".constructor") then
    return filtered.start(server, plans, entry, id, from, route, body, msg_id)
  end
  if not entry then return unknown(server, id, route, from) end
  local req = request.new(server, id, route)
  task.run(server, req, run, req, entry, from, body)
end
