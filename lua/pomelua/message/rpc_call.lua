-- rpc_call: calls to the remotes of other servers: app.rpc, app.call, app.sysrpc and app:rpcInvoke.
-- Each ends once, with its answer, an error or a deadline; C keeps the deadline (protocol 16).
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local json = require "pomelua.base.json"
local near = require "pomelua.base.near"
local quiet = require "pomelua.run.quiet"
local rpc_filters = require "pomelua.message.rpc_filters"
local frontend_remote = require "pomelua.session.frontend_remote"
local tables = require "pomelua.base.tables"
local task = require "pomelua.run.task"

local rpc_call = {}

local null = core.null

local function deliver(record, values, n)
  errors.revive(values[1])
  record.cb(unpack(values, 1, n))
end

-- failed: what gets the error of a call that no remote has answered, in place of cb.
local function deliver_error(record, err)
  if record.failed then return record.failed(err) end
  record.cb(err)
end

-- Ends a call that cannot be sent. Its callback is called later, as that of any other call.
local function refuse(server, owner, name, cb, err, failed)
  if cb or failed then
    task.defer(server, owner, deliver_error, { cb = cb, failed = failed }, err)
  else
    server:warn(errors.without_callback("rpc " .. name, err),
      "calls that cannot be sent: " .. name)
  end
end

-- Ends a script's call for which there is no server: an error of the way, as filters have them.
-- to: what the script has named; nil: a route was to choose.
local function refuse_way(server, owner, to, name, cb, stype, err, n, ...)
  local plan = server.rpc_plan
  if plan and plan.handler then
    return rpc_filters.refuse(server, plan, owner, to, name, cb, stype, err, n, ...)
  end
  return refuse(server, owner, name, cb, err)
end

-- Sends a call, past the filters. Returns whether it was sent.
local function transmit(server, owner, to, name, ms, cb, failed, n, ...)
  local node = server.node
  local send = quiet.aside(server) and node.callAside or node.call
  local wait = cb and (ms or server.checked.rpc_ms) or 0
  local call, message, code = send(node, to, name, wait, n, ...)
  if not call then
    refuse(server, owner, name, cb, errors.new(message, code), failed)
    return false
  end
  if not cb then return true end
  server.rpc.calls[call] = {
    cb = cb, failed = failed, owner = owner, name = name, work = task.work(),
  }
  return true
end

---Sends a call to one server. cb(...) gets what the remote gave its callback, or cb(err).
---@param to string server id
---@param name string "service.method"
---@param ms number|nil milliseconds that it may take; nil: proxyConfig.timeout
---@param cb function|nil nil: no answer is asked for
---@param stype string|nil the server type that the caller names, for filters of calls
---@param n number how many arguments, nils counted
function rpc_call.send(server, to, name, ms, cb, stype, n, ...)
  local owner = task.owner() or server:context("callback of rpc " .. name)
  if type(to) ~= "string" then
    return refuse_way(server, owner, to, name, cb, stype,
      errors.new("a server id must be a string, got " .. type(to), "INVAL"), n, ...)
  end
  local plan = server.rpc_plan
  if plan then
    return rpc_filters.send(server, plan, transmit, owner, to, name, ms, cb, stype, n, ...)
  end
  transmit(server, owner, to, name, ms, cb, nil, n, ...)
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
  if status == "ERROR" then record.failed = nil end -- the remote has answered
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

-- Calls cb with the first error and what each server has answered, when all have.
local function all_of(server, method, cb, n, ...)
  local ids, name = server.router:alive(method._type), method._name
  if #ids == 0 then
    return refuse_way(server, task.owner() or server:context("callback of rpc " .. name), "*", name,
      cb, method._type,
      errors.new("can not find server info for type:" .. method._type, "NOENT"), n, ...)
  end
  local left, failed, results = #ids, nil, {}
  for i = 1, #ids do
    local one = cb and function(...)
      local err = ...
      left = left - 1
      results[ids[i]] = { ... }
      if err and not failed then failed = err end
      if left == 0 then cb(failed, results) end
    end
    rpc_call.send(server, ids[i], name, method._ms, one, method._type, n, ...)
  end
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
    if err then
      return refuse_way(server, owner, nil, name, cb, method._type, err, n, unpack(args, 1, n))
    end
    rpc_call.send(server, id, name, method._ms, cb, method._type, n, unpack(args, 1, n))
  end, method._ms)
end

local MOST = rpc_filters.MOST

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
  if (kind == "string" or kind == "number") and server.checked.by_hash then return end
  if kind == "table" or param == nil or param == null or server.router:find(method._type) then
    return
  end
  errors.raise(("app.rpc.%s.%s(session, ...): the first argument chooses the server,"
    .. " a session or nil, got a %s"):format(method._type, method._name, kind))
end

-- What proxyConfig.hashFieldIndex points to, when it is a text or a number.
local function hashed(param, value)
  local kind = type(value)
  return (kind == "string" or kind == "number") and value or param
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
  local name, field = method._name, server.checked.hash_field
  if field and field < n then param = hashed(param, (select(field + 1, ...))) end
  local id, err = server.router:default(method._type, param)
  if id then return rpc_call.send(server, id, name, method._ms, cb, method._type, n, ...) end
  refuse_way(server, task.owner() or server:context("callback of rpc " .. name), nil, name, cb,
    method._type, err, n, ...)
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
  if to == "*" then return all_of(server, method, cb, n, ...) end
  rpc_call.send(server, to, method._name, method._ms, cb, method._type, n, ...)
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

local DAY_MS = 86400000

local function check_ms(what, ms)
  if type(ms) == "number" and ms % 1 == 0 and ms >= 1 and ms <= DAY_MS then return ms end
  errors.raise(("%s: must be a whole number of milliseconds from 1 to %d, got %s")
    :format(what, DAY_MS, tables.shown(ms)))
end

-- The method with another deadline: app.rpc.<type>.<service>.<method>:timeout(ms), also with ".".
local function with_timeout(made, remake, ...)
  local self, ms = ...
  if not rawequal(self, made) then ms = self end
  return remake(check_ms(made._name .. ":timeout(ms)", ms))
end

-- One method of app.rpc; `of` has its names: _type, _service, _service_name, _method, _name.
local function method_of(server, of, ms)
  local made = {
    _type = of._type, _service = of._service, _service_name = of._service_name,
    _method = of._method, _name = of._name, _ms = ms,
  }
  made.toServer = function(...) call_server(server, made, ...) end
  made.timeout = function(...)
    return with_timeout(made, function(other) return method_of(server, made, other) end, ...)
  end
  return setmetatable(made, { __call = function(_, ...) call(server, made, ...) end })
end

-- prefix: before the name of each service, as it is known to the server that has it.
local function proxy(server, prefix, check_service)
  return lazily(function(_, stype)
    return lazily(function(_, service)
      if check_service then check_service(service) end
      return lazily(function(self, method)
        return method_of(server, {
          _type = stype, _service = self, _service_name = prefix .. service, _method = method,
          _name = prefix .. service .. "." .. method,
        })
      end)
    end)
  end)
end

-- What app.sysrpc has of Pomelo's own remotes.
local function check_system(service)
  if "_" .. service == frontend_remote.SERVICE then return end
  errors.raise(("app.sysrpc: there is only sessionRemote, not %s; channelService pushes to clients "
    .. "of every frontend, and app.rpc calls the game's own remotes"):format(service))
end

local function same(...) return ... end

-- Makes a call of app.rpc and waits for its answer, as app.call does.
local function wait_for(sent, server, name, ...)
  local n = select("#", ...)
  if n > 0 and type((select(n, ...))) == "function" then
    errors.raise("app.call." .. name .. " takes no callback: it returns what the remote answers")
  end
  if task.can_wait() then return task.await(sent, ...) end
  local args = { ... }
  args[n + 1] = function(err)
    if err then server:warn(errors.without_callback("app.call." .. name, err), "app.call") end
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

local function call_method(server, sent, service, name)
  local made = { _name = sent._name }
  function made.timeout(...)
    return with_timeout(made, function(ms)
      return call_method(server, sent.timeout(ms), service, name)
    end, ...)
  end
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
        return call_method(server, rpcs[stype][service_name][method], self,
          stype .. "." .. service_name .. "." .. method)
      end)
    end)
  end)
end

local INVOKE_OPTIONS = { "timeout" }

local function invoke_ms(opts)
  if opts == nil or opts == null then return nil end
  if type(opts) ~= "table" then
    errors.raise("app:rpcInvoke(serverId, msg, opts, cb): opts must be a table, got a "
      .. type(opts))
  end
  for key in pairs(opts) do
    if key ~= "timeout" then
      errors.raise(("app:rpcInvoke(serverId, msg, opts, cb): opts has no %s%s")
        :format(tables.shown(key), near.hint(key, INVOKE_OPTIONS)))
    end
  end
  return opts.timeout ~= nil and check_ms("app:rpcInvoke: opts.timeout", opts.timeout) or nil
end

local function invoke(server, to, msg, opts, cb)
  if type(opts) == "function" then opts, cb = nil, opts end
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
  rpc_call.send(server, to, service .. "." .. msg.method, invoke_ms(opts),
    type(cb) == "function" and cb or nil,
    type(msg.serverType) == "string" and msg.serverType or nil, #args, unpack(args, 1, #args))
end

---Sets server.rpc: proxy (app.rpc), system_proxy (app.sysrpc), call (app.call), invoke
---(app:rpcInvoke), own (a call of the framework's, which passes no filters), system (the same to a
---frontend's sessions), within (the same with a deadline), apart (the same, of no work: a stop does
---not wait for it), refuse (ends a call that is not made) and calls (those that wait for their
---answer, by the number that C has given to each).
function rpc_call.install(server)
  local rpcs = proxy(server, "")
  local calls = {}
  quiet.add_records(server, calls)
  server.rpc = {
    calls = calls,
    proxy = rpcs,
    call = call_proxy(server, rpcs),
    system_proxy = proxy(server, "_", check_system),
    invoke = function(to, msg, opts, cb) invoke(server, to, msg, opts, cb) end,
    refuse = function(name, cb, err)
      refuse(server, task.owner() or server:context("callback of " .. name), name, cb, err)
    end,
    own = function(to, name, cb, n, ...)
      local owner = task.owner() or server:context("callback of rpc " .. name)
      transmit(server, owner, to, name, nil, cb, nil, n, ...)
    end,
  }
  function server.rpc.system(to, method, cb, n, ...)
    server.rpc.own(to, frontend_remote.SERVICE .. "." .. method, cb, n, ...)
  end
  function server.rpc.within(to, method, ms, cb, n, ...)
    local name = frontend_remote.SERVICE .. "." .. method
    local owner = task.owner() or server:context("callback of rpc " .. name)
    transmit(server, owner, to, name, ms, cb, nil, n, ...)
  end
  function server.rpc.apart(to, method, ms, cb, n, ...)
    local name = frontend_remote.SERVICE .. "." .. method
    local owner = server:context("callback of rpc " .. name)
    local number, message, code = server.node:callAside(to, name, ms, n, ...)
    if number then
      calls[number] = { cb = cb, owner = owner, name = name }
    else
      task.defer(server, owner, cb, errors.new(message, code))
    end
  end
end

---Calls fn(owner) for each call that waits for its answer.
function rpc_call.each_owner(server, fn)
  for _, record in pairs(server.rpc.calls) do fn(record.owner) end
end

return rpc_call
