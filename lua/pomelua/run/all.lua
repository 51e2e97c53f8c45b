-- all: several functions at the same time, waited for together: pomelua.all.
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local task = require "pomelua.run.task"

local function check(list)
  if type(list) ~= "table" then
    errors.raise("pomelua.all{ f, ... }: a table of functions, got a " .. type(list))
  end
  for key, fn in pairs(list) do
    if type(fn) ~= "function" then
      errors.raise(("pomelua.all{ f, ... }: the value at %s is not a function but a %s: write "
        .. "function() return ... end"):format(tostring(key), type(fn)))
    end
  end
end

-- In a task of its own.
local function run(state, key, fn)
  current.task.inside = state.inside
  local ok, value, err = pcall(fn)
  if not ok then
    if state.raised == nil then state.raised = { value } end
  elseif value == nil and err ~= nil then
    state.failed = state.failed or errors.of(err)
  else
    state.results[key] = value
  end
  state.left = state.left - 1
  if state.left == 0 and state.done then state.done(nil, true) end
end

---Runs all functions of a table side by side, each where it may wait, and waits until the
---last has ended.
---@param list table<any, function>
---@return table|nil results what each returned, under its key; nil when one returned nil, err
---@return pomelua.Error|nil err the first of them. An error that is raised is raised here
return function(list)
  check(list)
  local server, owner = current.server, task.owner()
  if not task.can_wait() then
    errors.raise("pomelua.all: only inside a function that the server called,"
      .. " and not in a coroutine of your own")
  end
  local t = current.task
  local state, keys = { left = 0, results = {}, inside = t.tx or t.inside }, {}
  for key in pairs(list) do
    keys[#keys + 1] = key
    state.left = state.left + 1
  end
  for i = 1, #keys do task.run(server, owner, run, state, keys[i], list[keys[i]]) end
  if state.left > 0 then
    local ok, err = task.await(function(done) state.done = done end)
    if not ok then return nil, err end
  end
  if state.raised then error(state.raised[1], 0) end
  if state.failed then return nil, state.failed end
  return state.results
end
