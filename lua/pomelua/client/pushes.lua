-- client.pushes: the pushes that came to a client and that nobody has taken yet.
local match = require "pomelua.base.match"
local pretty = require "pomelua.base.pretty"

local KEPT = 10000

local pushes = {}

---@param self table a client
---@param route string
---@param msg any
function pushes.keep(self, route, msg)
  local list = self.pushes
  list[#list + 1] = { route = route, msg = msg }
  if #list > KEPT then table.remove(list, 1) end
end

---Takes the first one that fits; those before it stay.
---@param self table
---@param route string
---@param expected any a table: the push holds at least these fields; a function of msg
---@return table|nil push {route=, msg=}
function pushes.take(self, route, expected)
  for i, push in ipairs(self.pushes) do
    if push.route == route and match(push.msg, expected) then
      return table.remove(self.pushes, i)
    end
  end
end

---A text of the last ones, for a message that says what did not come.
---@param self table
---@return string
function pushes.came(self)
  if #self.pushes == 0 then return "nothing else came" end
  local lines = { "came:" }
  for i = math.max(1, #self.pushes - 9), #self.pushes do
    local push = self.pushes[i]
    lines[#lines + 1] = ("  %s %s"):format(push.route, pretty(push.msg))
  end
  return table.concat(lines, "\n")
end

return pushes
