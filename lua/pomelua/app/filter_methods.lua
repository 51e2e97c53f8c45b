-- filter_methods: the methods of app that register filters (docs/filters.md). What is no filter
-- raises at the line of the game.
local filters = require "pomelua.message.filters"

local filter_methods = {}

---@class pomelua.App
local methods = {}

---A filter before the handlers of this server: docs/filters.md.
---@param f pomelua.Filter|pomelua.BeforeFilter
---@return pomelua.App self
function methods:before(f)
  filters.add(self._server, "app:before(f)", "before", f)
  return self
end

---A filter behind the handlers of this server.
---@param f pomelua.Filter|pomelua.AfterFilter
---@return pomelua.App self
function methods:after(f)
  filters.add(self._server, "app:after(f)", "after", f)
  return self
end

---Both.
---@param f pomelua.Filter
---@return pomelua.App self
function methods:filter(f)
  filters.add_both(self._server, "app:filter(f)", "before", "after", f)
  return self
end

---A filter before all messages of this frontend's clients, also those for other servers.
---@param f pomelua.Filter|pomelua.BeforeFilter
---@return pomelua.App self
function methods:globalBefore(f)
  filters.add(self._server, "app:globalBefore(f)", "globalBefore", f)
  return self
end

---A filter behind all of them, when the response has been sent.
---@param f pomelua.Filter|pomelua.AfterFilter
---@return pomelua.App self
function methods:globalAfter(f)
  filters.add(self._server, "app:globalAfter(f)", "globalAfter", f)
  return self
end

---Both.
---@param f pomelua.Filter
---@return pomelua.App self
function methods:globalFilter(f)
  filters.add_both(self._server, "app:globalFilter(f)", "globalBefore", "globalAfter", f)
  return self
end

---A filter before this server's calls to remotes.
---@param f table|pomelua.RpcFilter a function, or a table with a method `before`
---@return pomelua.App self
function methods:rpcBefore(f)
  filters.add(self._server, "app:rpcBefore(f)", "rpcBefore", f)
  return self
end

---A filter behind them, before their callbacks.
---@param f table|pomelua.RpcFilter a function, or a table with a method `after`
---@return pomelua.App self
function methods:rpcAfter(f)
  filters.add(self._server, "app:rpcAfter(f)", "rpcAfter", f)
  return self
end

---Both.
---@param f table
---@return pomelua.App self
function methods:rpcFilter(f)
  filters.add_both(self._server, "app:rpcFilter(f)", "rpcBefore", "rpcAfter", f)
  return self
end

---Adds them to the methods of app.
---@param to table
function filter_methods.add(to)
  for name, fn in pairs(methods) do to[name] = fn end
end

return filter_methods
