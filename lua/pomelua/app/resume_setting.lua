-- resume_setting: connectorConfig.resume: what is wrong with a value, and what the node is told of
-- it.
local errors = require "pomelua.base.errors"
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"

local resume_setting = {}

local MIB = 1048576

---The rules of its keys.
---@param number fun(name: string): table the rule of a number that a node is told by this name
---@return table
function resume_setting.keys(number)
  local grace = number "resumeGrace" -- seconds; 0 is off, for a node
  grace.least, grace.default = 1, 30
  return {
    grace = grace,
    bytes = number "resumeBytes", -- of a session's packages that are kept
    total = number "resumeTotal", -- MiB, of all sessions
  }
end

---What is wrong with a value of connectorConfig.resume: it is false, true, or a table in which what
---is left out has its default.
---@param rule table keys: the rules of grace, bytes and total
---@param value any
---@param number fun(rule: table, value: any): string|nil what is wrong with a number
---@return string|nil
function resume_setting.wrong(rule, value, number)
  if type(value) == "boolean" then return end
  if type(value) ~= "table" then
    return "must be true, false or a table, got " .. tables.shown(value)
  end
  for _, key in ipairs(tables.sorted_keys(value)) do
    local inner = rule.keys[key]
    if not inner then
      return ("%s: there is no such key%s"):format(errors.tostring(key), near.hint(key, rule.keys))
    end
    local wrong = number(inner, value[key])
    if wrong then return ("%s: %s"):format(key, wrong) end
  end
  local bytes = rawget(value, "bytes") or rule.keys.bytes.default
  local total = rawget(value, "total") or rule.keys.total.default
  if bytes > total * MIB then
    return ("bytes (%.0f) is larger than total (%.0f MiB), which all sessions have together")
      :format(bytes, total)
  end
end

---What node:configure is told of connectorConfig.resume.
---@param rule table as above
---@param value boolean|table one with which nothing is wrong
---@param numbers table gets them
function resume_setting.numbers(rule, value, numbers)
  if not value then return end
  for key, inner in pairs(rule.keys) do
    numbers[inner.node_key] = value ~= true and rawget(value, key) or inner.default
  end
end

---What a client may miss must fit into its queue when it comes back.
---@param numbers table
---@param hard number queueHard
---@return string|nil message
function resume_setting.beside(numbers, hard)
  if (numbers.resumeBytes or 0) <= hard then return end
  return ("connectorConfig.resume: bytes (%.0f) is larger than connectorConfig.queueHard (%.0f): "
    .. "what a client has missed would not fit into its queue"):format(numbers.resumeBytes, hard)
end

return resume_setting
