-- client.arguments: the arguments that a client's methods get, checked before they are used: a
-- wrong one is an error at the line of the script.
local errors = require "pomelua.base.errors"
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"

local arguments = {}

local function is_ms(value) return type(value) == "number" and value >= 0 end

local TYPES = {
  route = {
    'a text such as "chat.chatHandler.send"',
    function(value) return type(value) == "string" and value ~= "" end,
  },
  ms = { "a number of milliseconds", is_ms },
  fn = { "a function", function(value) return type(value) == "function" end },
  how = { '"rst" or "fin"', function(value) return value == "rst" or value == "fin" end },
}
-- Which arguments of a method have a type, by their places; "?" may be left out.
local METHODS = {
  request = { "route", false, "ms?", form = "request(route, msg, ms)" },
  notify = { "route", form = "notify(route, msg)" },
  on = { "route", "fn?", form = "on(route, fn)" },
  expect = { "route", false, "ms?", form = "expect(route, match, ms)" },
  kicked = { "ms?", form = "kicked(ms)" },
  closed = { "ms?", form = "closed(ms)" },
  cut = { "how?", form = "cut(how)" },
}

local function check(name, given, ...)
  for i, kind in ipairs(given) do
    local optional = kind and kind:sub(-1) == "?"
    local one = kind and TYPES[optional and kind:sub(1, -2) or kind]
    local value = (select(i, ...))
    if one and not (optional and value == nil) and not one[2](value) then
      errors.raise(("%s%s: %s must be %s, got %s"):format(name, given.form,
        given.form:match("%((.*)%)"):match(("[^,]+,%s*"):rep(i - 1) .. "([^,]+)"), one[1],
        tables.shown(value)))
    end
  end
end

local WAIT = { "ms", "fn?", form = "wait(ms, check)" }

---Makes the functions of a client, and client.wait, check what they are given.
---@param client table the module
---@param methods table of its clients
---@return table client
function arguments.guard(client, methods)
  for name, fn in pairs(methods) do
    local given = METHODS[name] or { form = name .. "()" }
    methods[name] = function(self, ...)
      if type(self) ~= "table" then errors.wrong_self("client", name, self) end
      check("client:", given, ...)
      return fn(self, ...)
    end
  end
  local wait = client.wait
  function client.wait(ms, done)
    check("client.", WAIT, ms, done)
    return wait(ms, done)
  end
  return client
end

---What is wrong with the names of options.
---@param given table
---@param known table<string, any>
---@return string|nil message
function arguments.unknown(given, known)
  for _, key in ipairs(tables.sorted_keys(given)) do
    if known[key] == nil then
      return ("there is no option %s%s"):format(tostring(key), near.hint(key, known))
    end
  end
end

return arguments
