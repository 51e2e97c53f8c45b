-- client.again: a client whose connection has ended connects again, as often as it takes, until a
-- time is over: because its server has told it to move, or to resume its session.
local core = require "pomelua.core"

local again = {}

local away = {} -- those that are to connect again, in the order in which they lost their connection

---@class pomelua.ClientAway
---@field due number ms of core.clock: the next attempt
---@field until_ number ms of core.clock: no attempt is made after it
---@field delay number ms after an attempt that failed; doubled for each more
---@field most number ms that such a delay grows to
---@field over fun(self: table, message: any) the time is over, or an attempt has said so
---@field login any the coroutine that connects it now, or "main"

---@param self table a client
---@param plan pomelua.ClientAway
function again.begin(self, plan)
  self.away = plan
  away[#away + 1] = self
end

local function forget(self)
  for i, one in ipairs(away) do
    if one == self then return table.remove(away, i) end
  end
end

---It is closed for good.
---@param self table
function again.stop(self)
  forget(self)
  self.away = nil
end

-- One attempt. While it runs, others may be served, and this one is not tried a second time.
local function attempt(self, connect)
  local plan = self.away
  forget(self)
  plan.login = coroutine.running() or "main"
  local ok, message, final = connect(self)
  if self.away ~= plan then return end -- closed meanwhile, or lost once more
  local now = core.clock()
  plan.login = nil
  if ok then
    self.away = nil
  elseif final or now >= plan.until_ then
    self.away = nil
    plan.over(self, message)
  else
    plan.due = math.min(now + plan.delay * (0.5 + math.random() / 2), plan.until_)
    plan.delay = math.min(plan.most, 2 * plan.delay)
    away[#away + 1] = self
  end
end

---Connects those again whose time has come.
---@param now number
---@param connect fun(self: table): any, any, any whether it is connected, why not, and whether it
---never will be
---@param call fun(fn: function, ...: any) runs it: in a task, where there are tasks
---@return number|nil soonest when the next one is due; now, when clients were served meanwhile
function again.serve(now, connect, call)
  local due = {}
  for _, one in ipairs(away) do
    if one.away.due <= now and not one.stalled then due[#due + 1] = one end
  end
  for _, one in ipairs(due) do
    if one.away and one.away.due <= now and not one.away.login then call(attempt, one, connect) end
  end
  local soonest = due[1] and now or nil
  for _, one in ipairs(away) do
    if not one.stalled then soonest = math.min(soonest or math.huge, one.away.due) end
  end
  return soonest
end

---Whether what is asked now has to wait until it is connected again; its login has not.
---@param self table
---@return boolean
function again.waits(self)
  local plan = self.away
  return plan ~= nil and plan.login ~= (coroutine.running() or "main")
end

return again
