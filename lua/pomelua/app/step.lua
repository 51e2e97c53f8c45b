-- step: one function of the game that the start or the stop of a server waits for: a step of
-- lifecycle.lua, the start or stop of a component. It ends when it calls its callback, or when it
-- returns and either takes no callback or returns something: `return nil, err` is cb(err).
local errors = require "pomelua.base.errors"
local method = require "pomelua.base.method"
local task = require "pomelua.run.task"
local timers = require "pomelua.run.timers"

local step = {}

-- most: all arguments; the callback is the one behind the first n.
local function takes_callback(fn, n, most)
  local takes = method.arguments(fn, most)
  return takes == nil or takes >= n + 1
end

local function count(args) return args.n + 1 + (args.after and #args.after or 0) end

local function call(self, fn, args, cb)
  local n = args.n
  args[n + 1] = cb
  for i = 1, args.after and #args.after or 0 do args[n + 1 + i] = args.after[i] end
  local last = count(args)
  if method.is(fn, last) then return fn(self, unpack(args, 1, last)) end
  return fn(unpack(args, 1, last))
end

---Runs fn in a task; done(err) is called once.
---@param server pomelua.Server
---@param what table name: for messages and the log; fn; self: its object; args: {n=, ...} what it
---gets before its callback, after= a list of what it gets behind it; ms: its deadline, nil: none;
---fatal: whether its error ends the program, whose last line it is then
---@param done fun(err: pomelua.Error|nil)
function step.run(server, what, done)
  local ended, watch = false, nil
  local function finish(err)
    if ended then return end
    ended = true
    if watch then timers.stop(server, watch) end
    done(err and errors.of(err) or nil)
  end
  local owner = {
    name = what.name, generation = server.generation, level = what.fatal and "debug" or nil,
  }
  function owner.failed(_, err) finish(err) end
  watch = what.ms and timers.start(server, what.ms, { fire = function()
    finish(errors.new(("%s did not end within %d ms"):format(what.short or what.name, what.ms),
      "TIMEOUT"))
  end })
  task.run(server, owner, function()
    local fn = what.fn
    local first, second = call(what.self, fn, what.args, function(err) finish(err) end)
    if first == nil and second ~= nil then
      finish(second)
    elseif first ~= nil or not takes_callback(fn, what.args.n, count(what.args)) then
      finish(nil)
    end
  end)
end

return step
