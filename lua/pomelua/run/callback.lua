-- callback: the functions of the framework that take a callback, or wait when they get none.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local task = require "pomelua.run.task"

local callback = {}

-- Logs the error of a call that has no callback and does not wait.
local function log_error(server, what, err)
  if err then
    server:warn(errors.without_callback(what, err), what .. " without a callback")
  end
end

---Ends a call that is already done: calls the callback. Without a callback it returns the values
---that a call which waits would return, or logs an error where no task can wait.
function callback.finish(server, what, cb, err)
  if cb then
    cb(err)
  elseif not task.can_wait() then
    log_error(server, what, err)
  elseif err then
    return nil, err
  else
    return true
  end
end

---Makes a call to another server: start(done) begins it, and done(err, ...) ends it. The callback,
---if there is one, is done. Without a callback this waits and returns the values of done, or logs
---an error where no task can wait.
function callback.ask(server, what, cb, start)
  if cb then
    start(cb)
  elseif task.can_wait() then
    return task.await(start)
  else
    start(function(err) log_error(server, what, err) end)
  end
end

---A callback argument: nil or a function, anything else is a mistake worth raising, at the line of
---the game.
---@param what string
---@param cb any
---@return function|nil
function callback.check(what, cb)
  if cb ~= nil and type(cb) ~= "function" and cb ~= core.null then
    errors.raise(what .. ": the callback must be a function, got " .. type(cb))
  end
  return type(cb) == "function" and cb or nil
end

---The same where a uid stands before it: `await(session.bind, session)` has the callback in the
---place of the uid, and nobody would call it.
---@param what string
---@param uid any
---@param cb any
---@return function|nil
function callback.check_uid(what, uid, cb)
  if type(uid) == "function" then
    errors.raise(what .. ": the uid is left out, a function stands in its place")
  end
  return callback.check(what, cb)
end

return callback
