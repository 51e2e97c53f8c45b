-- One contract, two transports: a group of specs that runs twice, with all servers in one process,
-- and spread over three processes that meet on a broker.
--
--   both.describe("a call to another server", function(start, over)
--     setup(function() app = start([[ settings ]], files) end)      -- as probe.start
--     …
--   end)
--
-- Over the bus the app has the same fields and methods. `app.process` stands for all processes:
-- out and err are those of all, waitLine and waitErr look in all. The servers are spread so that
-- each type has some in one process with others, and chat-1 has no connector with it.
local apps = require "spec.support.app"
local broker = require "spec.support.broker"
local net = require "spec.support.net"
local parts = require "spec.support.parts"
local probe = require "spec.support.probe"

local both = {}

local SPREAD = {
  { "connector-1", "connector-3", "gate-1" },
  { "chat-1", "room-1" },
  { "chat-2", "chat-3", "room-2", "connector-2" },
}

-- What each server says when it has seen all others.
local ALL = "it has seen all servers"
both.TELL = ([[

  app.event:on("start_all", function() print %q end)
  app.event:on("add_servers", function(list)
    for _, one in ipairs(list) do print("it sees " .. one.id) end
  end)
]]):format(ALL)

-- ---- what app.process is over the bus ----

local Processes = {}

local function texts(self, field)
  local list = {}
  for i, part in ipairs(rawget(self, "parts")) do list[i] = part.process[field] end
  return table.concat(list)
end

local function any(self, method, pattern, ms, ...)
  local found
  local args = { ... }
  net.wait(function()
    for _, part in ipairs(rawget(self, "parts")) do
      found = { part.process[method](part.process, pattern, 0, unpack(args)) }
      if found[1] then return true end
    end
  end, ms)
  return unpack(found)
end

local methods = {}
function methods:waitLine(pattern, ms, field) return any(self, "waitLine", pattern, ms, field) end
function methods:waitErr(pattern, ms) return any(self, "waitErr", pattern, ms) end
function methods:kill(name)
  for _, part in ipairs(rawget(self, "parts")) do part.process:kill(name) end
end
function methods:waitExit(ms)
  local code, signal
  for _, part in ipairs(rawget(self, "parts")) do
    local one, by = part.process:waitExit(ms)
    if not code or code == 0 then code, signal = one, by end
  end
  return code, signal
end

function Processes.__index(self, key)
  if key == "out" or key == "err" then return texts(self, key) end
  if key == "code" then
    for _, part in ipairs(rawget(self, "parts")) do
      if part.process.code then return part.process.code end
    end
    return nil
  end
  return methods[key]
end

-- ---- the app over the bus ----

local Spread = {}
Spread.__index = Spread

function Spread:terminate()
  if self.terminated then return end
  self.terminated = true
  self.process:kill("sigterm")
end

local function await_all(part)
  local seen = net.wait(function()
    local _, n = part.process.err:gsub(ALL, "")
    return n >= #part.ids
  end, apps.patience)
  assert(seen, "the servers did not find each other:\n" .. part.process.err)
end

-- Each server of a process has seen these ids, as its log says from there on.
local function await_seen(part, ids, from)
  local missing
  local seen = net.wait(function()
    local text = part.process.err:sub(from)
    missing = nil
    for _, by in ipairs(part.ids) do
      for _, id in ipairs(ids) do
        local line = by .. " it sees " .. id .. "\n"
        if not text:find(line, 1, true) then missing = line end
      end
    end
    return not missing
  end, apps.patience)
  assert(seen, ("the log has no %q:\n%s"):format(tostring(missing), part.process.err))
end

---Kills the process of a server and starts it anew, with the same servers; waits until it and the
---others have seen each other.
---@param id string
---@param dead boolean? it has ended already, or stands still
---@return table part of spec/support/parts, and seen_after: ms from `ready` until all had seen it
function Spread:again(id, dead)
  local old = self:part(id)
  if not dead then old:kill() end
  local from = {}
  for i, one in ipairs(self.parts) do from[i] = #one.process.err + 1 end
  local part = self.game:launch_with(old.args)
  part.ids = old.ids
  for i, one in ipairs(self.parts) do if one == old then self.parts[i] = part end end
  part:ready()
  for one, port in pairs(part.ports) do self.ports[one] = port end
  local ready = net.ms()
  await_all(part)
  for i, one in ipairs(self.parts) do
    if one ~= part then await_seen(one, old.ids, from[i]) end
  end
  part.seen_after = net.ms() - ready
  return part
end

---Starts one more process, and waits until it is ready.
---@param ids string[] as of both.spread
---@return table part
function Spread:add(ids)
  local part = self.game:launch_with { "--only", table.concat(ids, ","), unpack(ids.args or {}) }
  part.ids = ids
  self.parts[#self.parts + 1] = part
  part:ready()
  for id, port in pairs(part.ports) do self.ports[id] = port end
  return part
end

---A process has ended, as it was meant to.
---@param part table
function Spread:left(part)
  for i, one in ipairs(self.parts) do if one == part then table.remove(self.parts, i) end end
end

---The process of a server; of several the first.
function Spread:part(id)
  for _, part in ipairs(self.parts) do
    for _, one in ipairs(part.ids) do if one == id then return part end end
  end
end

-- As app.stop of one process: what is wrong, or nil. may: it may have cut something.
local function ended(part, patterns, may)
  if not part.process.code then part.process:kill("sigint") end
  local code, signal = part.process:waitExit(apps.patience)
  local err = part.process.err
  local list = apps.complaints(err, patterns)
  local cut = may and err:find(" pomelua stopped, but this " .. apps.CUT, 1, true)
  if #list > 0 then return "it complained:\n" .. table.concat(list, "\n") end
  if code ~= (cut and 1 or 0) then
    return ("status %s, signal %s\n%s"):format(tostring(code), tostring(signal), err:sub(-4000))
  end
end

function Spread:stop(patterns)
  if self.stopped then return end
  self.stopped = true
  local wrong, may
  for _, pattern in ipairs(patterns or {}) do may = may or apps.CUT:find(pattern) end
  for _, part in ipairs(self.parts) do wrong = wrong or ended(part, patterns or {}, may) end
  self.game:close()
  broker.closeAll()
  net.closeAll()
  assert(not wrong, wrong)
end

---Starts the files of an app (probe.files) in several processes over a broker of its own.
---@param files table<string, string>
---@param spread string[][]? the ids of each process, and in `args` more arguments
---@param bus table? of config/bus.json, besides urls
---@return table app as of spec/support/app, and parts, game, broker
function both.spread(files, spread, bus)
  local one = broker.start()
  local given = { urls = { one.url }, heartbeat = 1, timeout = 5 }
  for key, value in pairs(bus or {}) do given[key] = value end
  local self = setmetatable({ broker = one, game = parts.new(files, given), parts = {} }, Spread)
  self.dir, self.ports = self.game.dir, {}
  for i, ids in ipairs(spread or SPREAD) do
    local args = { "--only", table.concat(ids, ","), unpack(ids.args or {}) }
    self.parts[i] = self.game:launch_with(args)
    self.parts[i].ids = ids
  end
  self.process = setmetatable({ parts = self.parts }, Processes)
  for _, part in ipairs(self.parts) do
    part:ready()
    for id, port in pairs(part.ports) do self.ports[id] = port end
  end
  for _, part in ipairs(self.parts) do await_all(part) end
  return self
end

local function over_the_bus(settings, files, spread)
  return probe.of(both.spread(probe.files((settings or "") .. both.TELL, files), spread))
end

local function in_memory(settings, files) return probe.start(settings, files) end

---@param name string
---@param body fun(start: function, over: string) start: takes settings, files, and for the bus the
--- ids of each process; over: "memory" or "bus"
function both.describe(name, body)
  local describe = getfenv(body).describe -- the spec file's
  describe(name, function() body(in_memory, "memory") end)
  describe(name .. ", over the bus,", function() body(over_the_bus, "bus") end)
end

return both
