-- cli.ask: which program a command asks, and its answer: the one that runs in the app's folder,
-- over its control socket; with --bus, or where none runs and config/bus.json names a bus, those of
-- the cluster.
local bus = require "pomelua.cli.bus"
local bus_config = require "pomelua.config.bus"
local core = require "pomelua.core"
local files = require "pomelua.base.files"
local json = require "pomelua.base.json"
local sockets = require "pomelua.cli.sockets"

local ask = {}

local VERSION, SHORT = '{"command":"version"}', 2000
local WAIT = 15000 -- for the next line of an answer, ms
local LINE = 65536 -- bytes of a question that a program takes, its end included

---The bus of the app in a folder, or that of --bus.
---@param given table dir, bus, cluster, env
---@return table|nil options for cli.bus; nil without a message: there is no bus
---@return string|nil message
function ask.bus_of(given)
  local dir = given.dir or "."
  local base = files.named(dir)
  if not base or not files.is_folder(base) then return nil, dir .. ": there is no such folder" end
  local env = given.env or os.getenv("NODE_ENV")
  if not env or env == "" then env = "development" end
  local options, message = bus_config.read(base, env, given.bus)
  if not options then return nil, message end
  if given.cluster then
    options.cluster = given.cluster
  elseif given.bus and not files.exists(base .. "/app.lua") then
    return nil, ("there is no app.lua in %s, whose folder would name the cluster: give --cluster "
      .. "NAME, or -d DIR"):format(dir)
  end
  return options
end

-- Several programs run in a folder. When they are of one cluster any of them passes a question on:
-- {path=, anywhere = true}.
local function one_of(live)
  local cluster, chosen
  for _, one in ipairs(live) do
    local lines = not one.stuck and core.ask(one.path, VERSION, SHORT)
    local reply = lines and json.decode(lines[#lines])
    if type(reply) == "table" then
      if not reply.cluster or cluster and reply.cluster ~= cluster then return nil end
      cluster, chosen = reply.cluster, chosen or one
    end
  end
  return chosen and { path = chosen.path, anywhere = true }
end

---Where a question may go: {path=} of a socket, or {bus=} with the options of a bus. Several, when
---programs of a folder do not belong to one cluster; none, when no program runs there and there is
---no bus.
---@param given table dir, pid, state, bus, cluster, env
---@return table[]|nil list of {path=, pid=} or {bus=}
---@return string|nil message
function ask.places(given)
  local options, live, message
  if given.bus then
    if given.pid then
      return nil, "--pid is for a program on this machine; over the bus it is --process HOST:PID"
    end
    options, message = ask.bus_of(given)
    return options and { { bus = options } }, message
  end
  live, message = sockets.live(given.dir or ".", given.pid, given.state)
  if not live then return nil, message end
  if live[1] then
    if given.cluster then
      return nil, ("a program runs in %s, and is asked about its own cluster: leave --cluster out, "
        .. "or give --bus URL"):format(given.dir or ".")
    end
    local one = live[2] and one_of(live)
    return one and { one } or live
  end
  if given.pid then return {} end
  options, message = ask.bus_of(given)
  if message then return nil, message end
  return options and { { bus = options } } or {}
end

-- The one place where a question goes.
local function find(given)
  if given.place then return given.place end
  local dir = given.dir or "."
  local list, message = ask.places(given)
  if not list then return nil, message end
  if #list == 0 then return nil, sockets.none(dir, given.state) end
  if #list == 1 then return list[1] end
  local pids = {}
  for i, one in ipairs(list) do pids[i] = one.pid end
  return nil, ("several programs run in %s: choose by --pid (%s)"):format(
    dir, table.concat(pids, ", "))
end

-- The lines of the answer; those that came before an error, too.
local function lines_of(where, question)
  if where.bus then
    local lines, message, code = bus.ask(where.bus, question)
    return lines or {}, message, code
  end
  local lines, message, _, got = core.ask(where.path, assert(core.encode(question)), WAIT)
  return lines or got or {}, message
end

---Asks a program, and calls each(reply) for every line of its answer; with given.json the lines are
---printed instead.
---@param given table place, one of those that ask.places gives, or what that takes; json
---@param question table
---@param each fun(reply: table)
---@return boolean|nil ok whether the last line reports success
---@return string|nil message
---@return string|nil code
function ask.program(given, question, each)
  local where, message = find(given)
  if not where then return nil, message end
  question.anywhere = where.anywhere
  if #assert(core.encode(question)) >= LINE then
    return nil, "that is too long for one question"
  end
  local lines, failed, code = lines_of(where, question)
  local ok, text = false, failed or "the program ended before it had answered"
  for _, answer in ipairs(lines) do
    local reply = json.decode(answer)
    local known = type(reply) == "table" and reply or {}
    if given.json and not known.waiting then
      io.stdout:write(answer, "\n")
    elseif not known.done and not known.waiting then
      each(known)
    end
    if known.done then ok, text, code = known.ok, known.message, known.code end
  end
  return ok, text, code
end

return ask
