-- rpc_log: a filter of calls to other servers that writes one line of the log for each (protocol
-- 14).
local current = require "pomelua.base.current"
local json = require "pomelua.base.json"
local request_log = require "pomelua.filter.request_log"

local methods = {}
local mt = { __name = "pomelua.filter", filters = "calls", __index = methods }

function methods:before(_, _, opts) opts.began = request_log.begin(current.server) end

function methods:after(_, msg, opts)
  if not opts.began then return end
  local args = msg.args
  if type(args) == "table" and next(args) == nil then args = json.array {} end -- a list, as others
  request_log.write(current.server, "rpc-log", msg.service .. "." .. msg.method, args, opts.began)
end

---@return pomelua.Filter
return function() return setmetatable({}, mt) end
