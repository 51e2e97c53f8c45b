-- rate_setting: connectorConfig.rate: what is wrong with a value, and what the node is told of it.
local errors = require "pomelua.base.errors"
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"

local rate_setting = {}

-- What node:configure calls its fields.
local NAMES = { messages = "rateMessages", burst = "rateBurst", bytes = "rateBytes" }

local RATE_KEYS = { messages = true, burst = true, bytes = true, routes = true }
local COST = { least = 0, most = 1000000 }

local function wrong_costs(routes, number)
  if type(routes) ~= "table" then
    return 'must be a table, { ["chat.chatHandler.send"] = 5 }, got ' .. tables.shown(routes)
  end
  for _, route in ipairs(tables.sorted_keys(routes)) do
    local named = type(route) == "string"
    if not named or not route:find("^[^.]+%.[^.]+%.[^.]+$") or #route > 255 then
      return ("the key %s is no route, like \"chat.chatHandler.send\"")
        :format(tables.shown(route))
    end
    local wrong = number(COST, routes[route])
    if wrong then return ("[%q]: the cost of one message %s"):format(route, wrong) end
  end
end

---What is wrong with a value of connectorConfig.rate: it is false, or a table in which what is left
---out has its default.
---@param rule table keys: the rules of messages, burst and bytes
---@param value any
---@param number fun(rule: table, value: any): string|nil what is wrong with a number
---@return string|nil
function rate_setting.wrong(rule, value, number)
  if value == false then return end
  if type(value) ~= "table" then return "must be false or a table, got " .. tables.shown(value) end
  for _, key in ipairs(tables.sorted_keys(value)) do
    if not RATE_KEYS[key] then
      return ("%s: there is no such key%s"):format(errors.tostring(key),
        near.hint(key, RATE_KEYS))
    end
    local wrong
    if key == "routes" then wrong = wrong_costs(value[key], number)
    else wrong = number(rule.keys[key], value[key]) end
    if wrong then return key .. ": " .. wrong end
  end
  local messages = rawget(value, "messages") or rule.keys.messages.default
  local burst = rawget(value, "burst") or 2 * messages
  if messages == 0 then return "messages: must be from 1; rate = false is no limit" end
  if burst < messages then
    return ("burst (%.0f) is smaller than messages (%.0f): a second's messages may come at once")
      :format(burst, messages)
  end
  for route, cost in next, rawget(value, "routes") or {} do
    if cost > burst then
      return ("routes: [%q]: the cost %.0f is above burst (%.0f): no message could ever pass")
        :format(route, cost, burst)
    end
  end
end

---What node:configure is told of connectorConfig.rate. Without burst, two seconds may come at once.
---@param value table|false one with which nothing is wrong
---@param numbers table gets them
function rate_setting.numbers(value, numbers)
  if not value then
    numbers.rateMessages = 0
    return
  end
  for key, name in pairs(NAMES) do numbers[name] = rawget(value, key) end
  if numbers.rateMessages and not numbers.rateBurst then
    numbers.rateBurst = math.min(2 * numbers.rateMessages, 1000000)
  end
end

return rate_setting
