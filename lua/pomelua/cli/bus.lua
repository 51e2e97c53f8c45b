-- cli.bus: a command reaches the programs of a cluster over its bus, from any machine. It asks the
-- one that answers first, which passes the question on (ops/cluster).
local bus_config = require "pomelua.config.bus"
local core = require "pomelua.core"
local json = require "pomelua.base.json"

local bus = {}

local LINK = 5000 -- ms in which a broker should take a connection
local FIRST = 500 -- ms in which a program that is there should answer
local WAIT = 15000 -- for the next line of an answer, ms
local VERSION = '{"command":"version","here":true}'

-- The brokers, without what may be secret in an address.
local function shown(urls)
  local list = {}
  for i, url in ipairs(urls) do list[i] = bus_config.masked(url) end
  return table.concat(list, ", ")
end

-- A program that answers. One that has just started a connection hears of the others within a
-- heartbeat.
local function first_program(connection, options)
  local began, patience = core.now(), FIRST + 2 * options.heartbeat
  while true do
    local lines = connection:ask(nil, VERSION, FIRST, true)
    if lines and lines[1] then return lines[1].process end
    if core.now() - began > patience then break end
    connection:pause(50)
  end
  return nil, ("no program of the cluster %s is on the bus at %s"):format(options.cluster,
    shown(options.urls)), "NOBODY"
end

local function ask(connection, options, question)
  local ok, message = connection:wait(LINK)
  if not ok then
    return nil, ("the bus of the cluster %s is not there: %s"):format(options.cluster, message),
      "NOLINK"
  end
  local process, code
  process, message, code = first_program(connection, options)
  if not process then return nil, message, code end
  question.by = { user = core.user(), pid = core.pid(), host = options.host }
  local lines, late = connection:ask(process, assert(json.encode(question)), WAIT)
  if not lines then return nil, late end
  local texts = {}
  for i, line in ipairs(lines) do texts[i] = line.text end
  return texts, late > 0 and "no answer in time: it may still be at it" or nil
end

---Asks the programs of a cluster.
---@param options table what core.bus takes, but for the name of this machine
---@param question table
---@return string[]|nil lines of the answer
---@return string|nil message why there are none, or no last one
---@return string|nil code "NOBODY": no program is on the bus; "NOLINK": no broker answers
function bus.ask(options, question)
  options.host = core.hostname()
  local connection, message = core.bus(options)
  if not connection then return nil, message end
  local lines, code
  lines, message, code = ask(connection, options, question)
  connection:close()
  return lines, message, code
end

return bus
