-- rpc_call: calls to the remotes of other servers: app.rpc, app.call and app:rpcInvoke. Every call
-- ends once, with its answer, an error or a deadline; C keeps the deadline (protocol 16).
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local json = require "pomelua.base.json"
local quiet = require "pomelua.run.quiet"
local frontend_remote = require "pomelua.session.frontend_remote"
local task = require "pomelua.run.task"

local rpc_call = {}

local null = core.null

local function deliver(record, values, n)
  errors.revive(values[1])
  record.cb(unpack(values, 1, n))
end

local function deliver_error(record, err)
  record.cb(err)
end

-- Ends a call that cannot be sent. Its callback is called later, as that of any other call.
local function refuse(server, owner, name, cb, err)
  if cb then
    task.defer(server, owner, deliver_error, { cb = cb }, err)
  else
    server:warn("rpc " .. name .. ": " .. errors.text(err), "calls that cannot be sent: " .. name)
  end
end

---Sends a call to one server. cb(...) gets what the remote gave its callback, or cb(err).
---@param to string server id
---@param name string "service.method"
---@param cb function|nil nil: no answer is asked for
---@param n number how many arguments, nils counted
function rpc_call.send(server, to, name, cb, n, ...)
  local owner = task.owner() or server:context("callback of rpc " .. name)
  if type(to) ~= "string" then
    return refuse(server, owner, name, cb,
      errors.new("a server id must be a string, got " .. type(to), "INVAL"))
  end
  local node = server.node
  local send = quiet.aside(server) and node.callAside or node.call
  local call, message, code = send(node, to, name, cb and server.checked.rpc_ms or 0, n, ...)
  if not call then return refuse(server, owner, name, cb, errors.new(message, code)) end
  if not cb then return end
  server.rpc.calls[call] = { cb = cb, owner = owner, name = name, work = task.work() }
end

---entries.answered
function rpc_call.answered(server, call, status, text)
  local record = server.rpc.calls[call]
  if not record then return end
  server.rpc.calls[call] = nil
  if status == "OK" then
    local values, n = json.values(text)
    if values then
      return task.run_for(record.work, server, record.owner, deliver, record, values, n)
    end
    status, text = "PROTO", "the answer is not a JSON array"
  end
  local err = errors.new(tostring(text or status), status ~= "ERROR" and status or nil)
  if status == "TIMEOUT" or status == "NOENT" then
    err.message = "rpc " .. record.name .. ": " .. err.message
  end
  task.run_for(record.work, server, record.owner, deliver_error, record, err)
end

-- Splits a call's arguments: gives the trailing callback, if there is one, and the number of
-- arguments before it. A trailing nil is a callback that was left out, when there are more than
-- `least` values.
--
-- The functions below put `...` into a table only where they must. In a function that runs because
-- a table was called, as the proxies of app.rpc are, LuaJIT compiles `{ ... }` into a chain of a
-- hundred traces, and each of them makes the table anew and gives up.
local function callback_of(least, ...)
  local n = select("#", ...)
  if n == 0 then return nil, 0 end
  local last = select(n, ...)
  if type(last) == "function" then return last, n - 1 end
  if last == nil and n > least then return nil, n - 1 end
  return nil, n
end

local function all_of(server, stype, name, cb, n, ...)
  local ids = server.router:alive(stype)
  if #ids == 0 then
    return refuse(server, task.owner() or server:context("callback of rpc " .. name), name, cb,
      errors.new("can not find server info for type:" .. stype, "NOENT"))
  end
  local left, failed = #ids, nil
  local one = cb and function(err)
    left = left - 1
    if err and not failed then failed = err end
    if left == 0 then cb(failed) end
  end
  for i = 1, #ids do rpc_call.send(server, ids[i], name, one, n, ...) end
end

-- Sends a call to the server that a route function chooses. The route function may wait.
local function ask_route(server, method, param, cb, n, ...)
  local name, args = method._name, {}
  for i = 1, n do args[i] = (select(i, ...)) end
  local owner = task.owner() or server:context("callback of rpc " .. name)
  local msg = {
    namespace = "user", serverType = method._type, service = method._service_name,
    method = method._method, args = args,
  }
  server.router:pick(method._type, param, msg, function(err, id)
    if err then return refuse(server, owner, name, cb, err) end
    rpc_call.send(server, id, name, cb, n, unpack(args, 1, n))
  end)
end

local MOST = 250 -- arguments of a call

local function check_count(what, n)
  if n > MOST then
    errors.raise(("%s: a call takes %d arguments at most, got %d; pass a table")
      :format(what, MOST, n))
  end
end

-- Without a route function the first argument must be a session, or nil. Another value is an
-- argument for the remote: the script has forgotten the session.
local function check_param(server, method, param)
  local kind = type(param)
  if kind == "table" or param == nil or param == null or server.router:find(method._type) then
    return
  end
  errors.raise(("app.rpc.%s.%s(session, ...): the first argument chooses the server,"
    .. " a session or nil, got a %s"):format(method._type, method._name, kind))
end

local function call_routed(server, method, param, ...)
  local cb, n = callback_of(0, ...)
  check_count(method._name, n)
  if type(param) == "function" and select("#", ...) == 0 then
    cb, param = param, nil
  else
    check_param(server, method, param)
  end
  if server.router:find(method._type) then return ask_route(server, method, param, cb, n, ...) end
  local name = method._name
  local id, err = server.router:default(method._type, param)
  if id then return rpc_call.send(server, id, name, cb, n, ...) end
  refuse(server, task.owner() or server:context("callback of rpc " .. name), name, cb, err)
end

-- app.rpc.<type>.<service>.<method>(routeParam, ..., cb), also with ":" before the method.
local function call(server, method, ...)
  if rawequal((...), method._service) then
    return call_routed(server, method, select(2, ...))
  end
  return call_routed(server, method, ...)
end

local function call_to(server, method, to, ...)
  if type(to) == "function" then
    errors.raise(("app.rpc.%s.%s.toServer(id, ..., cb): id must be that of a server, or \"*\","
      .. " got a function"):format(method._type, method._name))
  end
  local cb, n = callback_of(1, ...)
  check_count(method._name, n)
  if to == "*" then return all_of(server, method._type, method._name, cb, n, ...) end
  rpc_call.send(server, to, method._name, cb, n, ...)
end

-- app.rpc.<type>.<service>.<method>.toServer(id | "*", ..., cb), also with ":".
local function call_server(server, method, ...)
  if rawequal((...), method) then return call_to(server, method, select(2, ...)) end
  return call_to(server, method, ...)
end

-- A table whose missing string keys are built when they are first asked for.
local function lazily(build)
  return setmetatable({}, { __index = function(self, key)
    if type(key) ~= "string" then return nil end
    local value = build(self, key)
    rawset(self, key, value)
    return value
  end })
end

local function proxy(server)
  return lazily(function(_, stype)
    return lazily(function(_, service)
      return lazily(function(self, method)
        local made = {
          _type = stype, _service = self, _service_name = service, _method = method,
          _name = service .. "." .. method,
        }
        made.toServer = function(...) call_server(server, made, ...) end
        return setmetatable(made, { __call = function(_, ...) call(server, made, ...) end })
      end)
    end)
  end)
end

local function same(...) return ... end

-- Makes a call of app.rpc and waits for its answer, as app.call does.
local function wait_for(sent, server, name, ...)
  local n = select("#", ...)
  if n > 0 and type((select(n, ...))) == "function" then
    error("app.call." .. name .. " takes no callback: it returns what the remote answers", 3)
  end
  if task.can_wait() then return task.await(sent, ...) end
  local args = { ... }
  args[n + 1] = function(err)
    if err then server:warn("app.call." .. name .. ": " .. errors.text(err), "app.call") end
  end
  sent(unpack(args, 1, n + 1))
end

-- Checks the first argument of toServer: when it is left out, the callback stands in its place.
local function check_to(name, ...)
  local to = ...
  if type(to) ~= "string" then
    errors.raise(("app.call.%s.toServer(id, ...): id must be that of a server, or \"*\", got %s")
      :format(name, select("#", ...) == 0 and "nothing" or type(to)))
  end
end

local function call_method(server, rpcs, service, stype, service_name, method)
  local sent = rpcs[stype][service_name][method]
  local name = stype .. "." .. service_name .. "." .. method
  local made = {}
  -- No tail calls, because errors name the line of the caller.
  function made.toServer(...)
    if rawequal((...), made) then
      check_to(name, select(2, ...))
      return same(wait_for(sent.toServer, server, name .. ".toServer", select(2, ...)))
    end
    check_to(name, ...)
    return same(wait_for(sent.toServer, server, name .. ".toServer", ...))
  end
  return setmetatable(made, { __call = function(_, ...)
    if rawequal((...), service) then
      return same(wait_for(sent, server, name, select(2, ...)))
    end
    return same(wait_for(sent, server, name, ...))
  end })
end

-- app.call.<type>.<service>.<method>(routeParam, ...), also .toServer(id | "*", ...), and
-- both with ":".
local function call_proxy(server, rpcs)
  return lazily(function(_, stype)
    return lazily(function(_, service_name)
      return lazily(function(self, method)
        return call_method(server, rpcs, self, stype, service_name, method)
      end)
    end)
  end)
end

local function invoke(server, to, msg, cb)
  if type(msg) ~= "table" or type(msg.service) ~= "string" or type(msg.method) ~= "string" then
    errors.raise("app:rpcInvoke(serverId, msg, cb): msg must have service, method and args")
  end
  local args = msg.args == nil and {} or msg.args
  if type(args) ~= "table" then
    errors.raise("app:rpcInvoke(serverId, msg, cb): msg.args must be a list, got a "
      .. type(args))
  end
  if #args > MOST then
    errors.raise(("app:rpcInvoke(serverId, msg, cb): a call takes %d arguments at most, got %d;"
      .. " pass a table"):format(MOST, #args))
  end
  local service = msg.namespace == "sys" and "_" .. msg.service or msg.service
  rpc_call.send(server, to, service .. "." .. msg.method, type(cb) == "function" and cb or nil,
    #args, unpack(args, 1, #args))
end

---Sets server.rpc: proxy (app.rpc), call (app.call), invoke (app:rpcInvoke), system (a
---frontend's own remote), refuse (ends a call that is not made) and calls (the calls that wait for
---their answer, by the number that C has given to each).
function rpc_call.install(server)
  local rpcs = proxy(server)
  local calls = {}
  quiet.add_records(server, calls)
  server.rpc = {
    calls = calls,
    proxy = rpcs,
    call = call_proxy(server, rpcs),
    invoke = function(to, msg, cb) invoke(server, to, msg, cb) end,
    refuse = function(name, cb, err)
      refuse(server, task.owner() or server:context("callback of " .. name), name, cb, err)
    end,
    system = function(to, method, cb, n, ...)
      rpc_call.send(server, to, frontend_remote.SERVICE .. "." .. method, cb, n, ...)
    end,
  }
end

---Calls fn(owner) for each call that waits for its answer.
function rpc_call.each_owner(server, fn)
  for _, record in pairs(server.rpc.calls) do fn(record.owner) end
end

return rpc_call
