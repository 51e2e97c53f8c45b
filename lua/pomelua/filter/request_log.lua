-- request_log: one line of JSON about something that took time, as Pomelo's logs of requests have
-- it: {"route", "args", "time": month, day, hour and minute, "timeUsed": milliseconds}.
local core = require "pomelua.core"
local log = require "pomelua.base.log"
local pretty = require "pomelua.base.pretty"

local request_log = {}

---The moment at which something begins, for write.
---@param server pomelua.Server
---@return number
function request_log.begin(server) return server.node:now() end

-- Bytes of a value's JSON text. Of a longer one the line has the beginning, as a text: clients
-- choose how long their messages are, and of protobuf the JSON text may be many times as long.
local MOST = 4096

local function json_of(value)
  local ok, text = pcall(core.encode, value)
  if not ok or not text then text = core.encode(pretty(value)) end
  if #text <= MOST then return text end
  return core.encode(text:sub(1, MOST):gsub("[\192-\255][\128-\191]*$", "") .. "...")
end

---@param server pomelua.Server
---@param category string of the log: "forward-log", "con-log" or "rpc-log"
---@param route string
---@param args any
---@param began number what begin gave
function request_log.write(server, category, route, args, began)
  local used = server.node:now() - began
  local clock = server.virtual and server.globals.base.os or os
  local time = clock.date("%m%d%H%M", math.floor(clock.time() - used / 1000))
  log.category(category).info('{"route":%s,"args":%s,"time":"%s","timeUsed":%.0f}',
    json_of(route), json_of(args), time, used)
end

return request_log
