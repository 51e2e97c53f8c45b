-- service: channelService and the pushes. Members and fan-out live in C; here are
-- Pomelo's overloads, its error texts and its callbacks (protocol 17).
local core = require "pomelua.core"
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local json = require "pomelua.base.json"
local near = require "pomelua.base.near"
local quiet = require "pomelua.run.quiet"
local session = require "pomelua.session.session"
local task = require "pomelua.run.task"
local where = require "pomelua.base.where"

local channel = {}

-- C's methods of channelService; the pushes are added here. library/channel.lua describes all.
---@class pomelua.ChannelService
local service = core.channel_service_methods

-- The server of a channelService, and of a node. Weak values, too: a server holds the keys.
local servers = setmetatable({}, { __mode = "kv" })
local server_of_node = setmetatable({}, { __mode = "kv" })

local function server_of(handle)
  return current.only or server_of_node[core.channel_node(handle)]
end

local function server_behind(self, method)
  return servers[self] or errors.wrong_self("channelService", method, self)
end

-- What tasks run: callbacks get the arguments they are due, no nils behind them.
local function call_error(cb, err) cb(err) end
local function call_fails(cb, fails) cb(nil, fails) end
local function call_both(cb, err, fails) cb(err, fails) end

-- Ends a push that was not sent.
local function refuse(server, what, owner, cb, err)
  if cb then
    task.defer(server, owner, call_error, cb, err)
  elseif err then
    server:warn(what .. ": " .. errors.text(err), "pushes that cannot be sent")
  end
end

local function empty(msg)
  return not msg or rawequal(msg, 0) or rawequal(msg, "") or rawequal(msg, core.null)
end

-- Ends every push function: push, message and name are the results of the node's function.
local function sent(server, what, cb, push, message, name)
  local owner = cb and (task.owner() or server:context("callback of " .. what))
  if not push then
    refuse(server, what, owner, cb, errors.new(message, name))
  elseif cb and push == true then
    task.defer(server, owner, call_fails, cb, json.array())
  elseif cb then
    server.channels.pushes[push] = { cb = cb, owner = owner, work = task.work() }
  end
end

local function field_of(opts, key)
  return opts and errors.field(opts, key)
end

-- What is wrong with the arguments that all pushes share: nil or an error.
local function wrong(what, route, msg, opts)
  if type(route) ~= "string" or route == "" then
    return errors.new(what .. ": the route must be a string, got " .. type(route), "INVAL")
  end
  if empty(msg) then return errors.new("can not send empty message.", "INVAL") end
  if opts ~= nil and type(opts) ~= "table" then
    return errors.new(what .. ": opts must be a table, got " .. type(opts), "INVAL")
  end
  local except = field_of(opts, "except")
  if except ~= nil and type(except) ~= "table" then
    return errors.new(what .. ": opts.except must be a list of uids, got " .. type(except), "INVAL")
  end
end

local OPTIONS = { "except", "binded", "filterParam" }

-- Warns of an option that is nearly one of these: a mistyped `except` would send the push to the
-- users who must not get it.
local function look_at_options(server, what, opts)
  for key in next, opts do
    local meant = key ~= "except" and key ~= "binded" and key ~= "filterParam"
      and near.to(key, OPTIONS)
    if meant then
      server:warn(("%s: opts.%s does nothing; did you mean %s?"):format(what, key, meant),
        "options of pushes")
    end
  end
end

local function check(server, what, route, msg, opts, cb)
  local err = wrong(what, route, msg, opts)
  if not err and opts then look_at_options(server, what, opts) end
  if not err then return true end
  refuse(server, what, task.owner() or server:context("callback of " .. what), cb, err)
end

local function ms_for(server, cb)
  return cb and server.checked.push_ms or 0
end

---Pushes to every member. pushMessage(msg, opts, cb) takes the route from msg.route.
---opts and cb may be left out.
---@param self pomelua.Channel
---@param route string|table
---@param msg any JSON
---@param opts table|nil except: list of uids who do not get it
---@param cb fun(err: pomelua.Error|nil, fails: table)|nil fails: uids without a session.
---Errors: "channel is not running now", "all uids push message fail", "can not send empty message."
local function push_message(self, route, msg, opts, cb)
  if type(route) == "table" then
    route, msg, opts, cb = errors.field(route, "route"), route, msg, opts
  end
  if type(opts) == "function" then opts, cb = nil, opts end
  cb = session.check_callback("channel:pushMessage", cb)
  local server = server_of(self)
  if not check(server, "channel:pushMessage", route, msg, opts, cb) then return end
  sent(server, "channel:pushMessage", cb, server.node:pushChannel(self, route, msg,
    field_of(opts, "except"), ms_for(server, cb)))
end

function channel.new(server)
  local pushes = {} -- those that wait to be acknowledged, by the number that C gave them
  quiet.add_records(server, pushes)
  server.channels = { pushes = pushes }
  core.channel_methods.pushMessage = push_message
  where.name(core.channel_methods, "channel:")
  where.name(service, "channelService:")
  local self = server.node:channelService()
  servers[self], server_of_node[server.node] = server, server
  return self
end

-- The entries that name a frontend.
local function targets_of(server, uids)
  local list = {}
  for i = 1, #uids do
    local one = uids[i]
    local uid, sid
    if type(one) == "table" then uid, sid = errors.field(one, "uid"), errors.field(one, "sid") end
    local kind = type(uid)
    if type(sid) == "string" and sid ~= "" and (kind == "string" or kind == "number") then
      list[#list + 1] = one
    else
      server:warn("channelService:pushMessageByUids: entry " .. i
        .. " has no uid or no sid, it is left out", "entries without uid or sid")
    end
  end
  return list
end

---Pushes to some users. pushMessageByUids(msg, uids, opts, cb) takes the route from msg.route.
---@param route string|table
---@param msg any JSON
---@param uids table[] {{uid = string|number, sid = frontend id}, ...}
---@param opts table|nil except: list of uids
---@param cb fun(err: pomelua.Error|nil, fails: table)|nil Errors: "uids should not be empty",
---"all uids push message fail", "can not send empty message."
function service:pushMessageByUids(route, msg, uids, opts, cb)
  if type(route) == "table" then
    route, msg, uids, opts, cb = errors.field(route, "route"), route, msg, uids, opts
  end
  if type(opts) == "function" then opts, cb = nil, opts end
  local what = "channelService:pushMessageByUids"
  local server = server_behind(self, "pushMessageByUids")
  cb = session.check_callback(what, cb)
  if type(uids) ~= "table" or #uids == 0 then
    return refuse(server, what, task.owner() or server:context("callback of " .. what), cb,
      errors.new("uids should not be empty", "INVAL"))
  end
  if not check(server, what, route, msg, opts, cb) then return end
  local list = targets_of(server, uids)
  if #list == 0 then return sent(server, what, cb, true) end
  sent(server, what, cb, server.node:pushUids(route, msg, list, field_of(opts, "except"),
    ms_for(server, cb)))
end

-- The frontends of a type that are there; all of them when none is, so that the
-- failure is seen as one.
local function frontends_of(server, stype)
  local all = {}
  for _, entry in ipairs(server.by_type[stype] or {}) do
    if entry.frontend then all[#all + 1] = entry.id end
  end
  local alive = {}
  for _, id in ipairs(all) do
    if server.node:alive(id) then alive[#alive + 1] = id end
  end
  return #alive > 0 and alive or all
end

-- The parameter of the frontends' broadcastFilter as JSON; nil: it is not asked.
local function filter_param(server, opts)
  local param = field_of(opts, "filterParam")
  if param == nil then return server.checked.broadcast_filter and "null" or nil end
  return core.encode(param, "opts.filterParam")
end

---Pushes to everyone on the frontends of a type. broadcast(stype, msg, opts, cb)
---takes the route from msg.route. The frontends' channelConfig.broadcastFilter is
---asked when opts.filterParam is given or this server has the filter set, too.
---@param stype string type of frontends
---@param route string|table
---@param msg any JSON
---@param opts table|nil binded: only sessions with a uid; filterParam: any JSON; except: uids
---@param cb fun(err: pomelua.Error|nil)|nil Errors: "broadcast fails",
---"can not send empty message."
function service:broadcast(stype, route, msg, opts, cb)
  if type(route) == "table" then
    route, msg, opts, cb = errors.field(route, "route"), route, msg, opts
  end
  if type(opts) == "function" then opts, cb = nil, opts end
  local what = "channelService:broadcast"
  local server = server_behind(self, "broadcast")
  cb = session.check_callback(what, cb)
  if not check(server, what, route, msg, opts, cb) then return end
  local sids = frontends_of(server, stype)
  if #sids == 0 then
    if server.by_type[stype] then
      return sent(server, what, cb, nil, "broadcast fails", "NOENT")
    end
    server:warn(("%s: there are no servers of the type %s%s"):format(what, errors.tostring(stype),
      near.hint(stype, server.by_type)), "broadcasts to no type")
    return sent(server, what, cb, true)
  end
  local param, message = filter_param(server, opts)
  if message then return sent(server, what, cb, nil, message, "ENCODE") end
  sent(server, what, cb, server.node:broadcast(stype, sids, route, msg,
    field_of(opts, "binded") and true or false, param, field_of(opts, "except"),
    ms_for(server, cb)))
end

---entries.pushed
function channel.pushed(server, push, message, fails)
  local record = server.channels.pushes[push]
  if not record then return end
  server.channels.pushes[push] = nil
  task.run_for(record.work, server, record.owner, call_both, record.cb,
    message and errors.new(message) or nil, json.array(fails))
end

---Calls fn(owner) for each push that waits to be acknowledged.
function channel.each_owner(server, fn)
  for _, record in pairs(server.channels.pushes) do fn(record.owner) end
end

core.nearest_name(near.to)

return channel
