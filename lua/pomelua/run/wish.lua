-- wish: what a server asks its program for: bans. The answer comes as a question of the operator's
-- would, on the server's thread (ops/admin).
local errors = require "pomelua.base.errors"
local json = require "pomelua.base.json"
local task = require "pomelua.run.task"
local timers = require "pomelua.run.timers"

local wish = {}

local WAIT = 15000 -- ms

---The part of a server that belongs to this file.
function wish.init(server)
  server.wishes = {
    open = {}, -- [number] = {done=, owner=, work=, timer=}
    last = 0,
    program = nil, -- fun(request, reply): in the place of a program, set by the test kit
  }
end

local function finish(server, number, answer, err)
  local one = server.wishes.open[number]
  if not one then return end
  server.wishes.open[number] = nil
  timers.stop(server, one)
  if not err and not answer.ok then err = errors.new(answer.message, answer.code) end
  task.run_for(one.work, server, one.owner, one.done, err, answer)
end

local function too_late(server, one)
  finish(server, one.number, nil, errors.new("the program has not answered", "TIMEOUT"))
end

---Asks the program.
---@param server pomelua.Server
---@param what string who asks, for a line of the log: "app:ban"
---@param request table with `command`, as ops/control knows it
---@param done fun(err: pomelua.Error|nil, answer: table|nil) called once
function wish.ask(server, what, request, done)
  local own = server.wishes
  own.last = own.last + 1
  local number = own.last
  local one = {
    number = number, done = done, of_framework = true, fire = too_late, work = task.work(),
    owner = task.owner() or server:context("callback of " .. what),
  }
  own.open[number] = one
  if own.program then
    return own.program(request, function(answer) finish(server, number, answer) end)
  end
  timers.start(server, WAIT, one)
  if not server.node:wish(number, assert(json.encode(request))) then
    finish(server, number, nil, errors.new("this server has no program", "NOENT"))
  end
end

---Calls fn(owner) for each wish that waits for its answer.
---@param server pomelua.Server
---@param fn fun(owner: table)
function wish.each_owner(server, fn)
  for _, one in pairs(server.wishes.open) do fn(one.owner) end
end

---The program has answered.
---@param server pomelua.Server
---@param number number
---@param answer table ok, message, code, ...
function wish.answered(server, number, answer) finish(server, number, answer) end

return wish
