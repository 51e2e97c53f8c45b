-- setting_kinds: the kinds of values that settings may have (app/settings), and what is wrong with
-- a value that is none.
local channel_store = require "pomelua.channel.store"
local errors = require "pomelua.base.errors"
local networks = require "pomelua.base.networks"
local near = require "pomelua.base.near"
local rate_setting = require "pomelua.app.rate_setting"
local resume_setting = require "pomelua.app.resume_setting"
local ssl_setting = require "pomelua.app.ssl_setting"
local tables = require "pomelua.base.tables"
local token_keys = require "pomelua.base.token_keys"

local kinds = {}

---Whether a setting is switched on, as JavaScript sees its value.
---@param value any
---@return boolean
function kinds.truthy(value)
  return value ~= nil and value ~= false and value ~= 0 and value ~= "" and value ~= "false"
end

---check[kind](rule, value) gives the text of what is wrong with a value, or nil.
local check = {}
kinds.check = check

function check.number(rule, value)
  if type(value) ~= "number" or value % 1 ~= 0 and not (rule.cut and value * 0 == 0) then
    return "must be a whole number, got " .. tables.shown(value)
  end
  if value < rule.least or value > rule.most then
    return ("must be a whole number from %.0f to %.0f, got %s"):format(rule.least, rule.most, value)
  end
end

check["function"] = function(_, value)
  if type(value) ~= "function" then return "must be a function, got " .. tables.shown(value) end
end

-- A list of what clients say in sys.type of their handshake.
function check.types(_, value)
  if type(value) ~= "table" then return "must be a list of strings, got " .. tables.shown(value) end
  for key, one in next, value do
    if type(key) ~= "number" or type(one) ~= "string" then
      return "must be a list of strings, got an entry " .. tables.shown(one)
    end
  end
end

-- A table of numbers, each with a rule of its own, or false: none of these limits, or not that one.
function check.limits(rule, value)
  if value == false then return end
  if type(value) ~= "table" then return "must be a table or false, got " .. tables.shown(value) end
  for _, key in ipairs(tables.sorted_keys(value)) do
    local inner = rule.keys[key]
    if not inner then
      return ("%s: there is no such key%s"):format(errors.tostring(key), near.hint(key, rule.keys))
    end
    local none = inner.kind == "number" and value[key] == false
    local wrong = not none and check[inner.kind](inner, value[key])
    if wrong then return ("%s %s"):format(key, wrong) end
  end
end

function check.networks(_, value) return networks.wrong(value) end

-- A list, or the path of a JSON file that has it.
function check.networksOrPath(rule, value)
  if type(value) == "string" then return check.path(rule, value) end
  return networks.wrong(value)
end

function check.origins(_, value) return networks.wrong_origins(value) end

function check.boolean(_, value)
  if type(value) ~= "boolean" then return "must be true or false, got " .. tables.shown(value) end
end

function check.path(_, value)
  if type(value) ~= "string" or value == "" or value:find("%z") then
    return "must be the path of a file, got " .. tables.shown(value)
  end
end

function check.singleSession(_, value)
  if type(value) ~= "boolean" and value ~= "refuse" and value ~= "kick-old" then
    return "must be true, false, \"refuse\" or \"kick-old\", got " .. tables.shown(value)
  end
end

local ONE_CONNECTOR = "there is only hybridconnector: TCP and WebSocket on one port, for Pomelo's "
  .. "clients of both kinds; a client of socket.io, MQTT or UDP takes pomelo-jsclient-websocket "
  .. "or another of them instead"

function check.connector(_, value)
  if value ~= kinds.connectors.hybridconnector and value ~= "hybridconnector" then
    return ("must be pomelua.connectors.hybridconnector, got %s; %s"):format(tables.shown(value),
      ONE_CONNECTOR)
  end
end

---What node/balance calls them.
kinds.router_types = { uid = 0, rr = 1, wrr = 2, la = 3, hash = 4, ch = 4 }

function check.routerType(_, value)
  if kinds.router_types[value] then return end
  return ('must be "uid", "rr", "wrr", "la" or "hash" ("ch" is the same), got %s%s; a function '
    .. "of the game's own is set by app:route(type, fn)")
    :format(tables.shown(value), near.hint(value, kinds.router_types))
end

local FAIL_MODES = { failover = true, failback = true, failsafe = true }

function check.failMode(_, value)
  if value == "failfast" then return end
  if not FAIL_MODES[value] then return 'must be "failfast", got ' .. tables.shown(value) end
  return ('"failfast" is what there is, got %q: a call that fails ends at once with an error; its '
    .. "server may have run it, so that only the caller knows whether to call again")
    :format(value)
end

function check.scheduler(_, value)
  if type(value) == "table" and value[1] ~= nil then
    return "there is one way to push, so that there is nothing to select: "
      .. "pomelua.pushSchedulers.direct"
  end
  for name, one in pairs(kinds.push_schedulers) do
    if rawequal(value, one) or value == name then return end
  end
  return "must be pomelua.pushSchedulers.direct or buffer, got " .. tables.shown(value)
    .. "; Pomelua takes no schedulers of the game's own"
end

function check.store(_, value) return channel_store.wrong(value) end

function check.prefix(_, value)
  if type(value) ~= "string" or value == "" then
    return "must be a string that is not empty, got " .. tables.shown(value)
  end
end

function check.ssl(_, value) return ssl_setting.wrong(value) end

function check.auth(_, value) return token_keys.wrong(value) end
function check.rate(rule, value) return rate_setting.wrong(rule, value, check.number) end
function check.resume(rule, value) return resume_setting.wrong(rule, value, check.number) end

function check.any() end

function check.always(rule, value)
  if value ~= true then
    return ("is always true in Pomelua, got %s: %s"):format(tables.shown(value), rule.why)
  end
end

function check.refused(rule, value)
  if kinds.truthy(value) then return rule.text end
end

---A value as a node is told it.
---@param rule table
---@param value any one that check lets pass
---@return number
function kinds.node_number(rule, value)
  if rule.kind == "routerType" then return kinds.router_types[value] end
  if rule.kind == "auth" then return value and 1 or 0 end
  return math.floor(value == true and 1 or value or 0)
end

-- A table of what a setting may be, which says what else there is not.
local function choices(place, names, text)
  local list = {}
  for _, name in ipairs(names) do
    list[name] = setmetatable({ name = name }, { __newindex = function()
      error(place .. "." .. name .. " cannot be changed", 2)
    end })
  end
  return setmetatable(list, { __index = function(_, key)
    error(("%s.%s: %s"):format(place, errors.tostring(key), text), 2)
  end })
end

---pomelua.connectors
kinds.connectors = choices("pomelua.connectors", { "hybridconnector" }, ONE_CONNECTOR)

---pomelua.pushSchedulers
kinds.push_schedulers = choices("pomelua.pushSchedulers", { "direct", "buffer" },
  "there are direct and buffer")

return kinds
