-- Several programs of one cluster as ops/control runs them, without threads, sockets and a bus:
-- the spec plays the servers and carries what programs say to each other.
--
--   local p = programs.new { web = { "connector-1" }, chat = { "chat-1", "chat-2" } }
--   local answer = p.web:ask { command = "list" }    -- lines, and the last one in `done`
--
-- A server "connector-*" is a frontend. p.web.servers["connector-1"] = fn(question) answers what
-- its program asks a server; by default everything with {ok = true}.
local cjson = require "cjson"
local control = require "pomelua.ops.control"
local json = require "pomelua.base.json"

local programs = {}

local Program = {}
Program.__index = Program

local function entry_of(id)
  local kind = id:match("^%a+")
  return { id = id, serverType = kind, frontend = kind == "connector" or nil }
end

-- Does what is under way, until nothing is left.
local function settle(world)
  while world.queue[1] do table.remove(world.queue, 1)() end
end

local function later(self, fn) table.insert(self.world.queue, fn) end

-- --- what core gives a control --------------------------------------------------------------

function Program:bus()
  return { process = self.process, host = self.host, pid = self.pid, up = self.world.up }
end

-- What the other programs hear of a server here.
local function tell_others(self, id, state)
  for _, other in ipairs(self.world.programs) do
    if other ~= self and other.alive then
      other.hooks.remote(other, state, {
        id = id, incarnation = self.lives[id], process = self.process, host = self.host,
        pid = self.pid, info = cjson.encode(entry_of(id)),
      })
    end
  end
end

function Program:askOthers(process, call, text)
  local asked = {}
  if not self.world.up then return nil, "no bus", "NOENT" end
  for _, other in pairs(self.world.programs) do
    if other ~= self and other.alive and (not process or other.process == process) then
      asked[#asked + 1] = other
    end
  end
  if process and not asked[1] then return nil, "no such process", "NOENT" end
  local open, late = #asked, 0
  local function ended()
    open = open - 1
    if open == 0 then self.hooks.answered(self, call, nil, nil, late) end
  end
  for _, other in ipairs(asked) do
    self.world.questions = self.world.questions + 1
    local question = self.world.questions
    table.insert(self.world.seen, { to = other.name, request = cjson.decode(text) })
    other.open[question] = function(line, last)
      later(self, function()
        self.hooks.answered(self, call, other.process, line)
        if last then ended() end
      end)
    end
    later(self, function()
      if other.frozen then late = late + 1 end
      if other.frozen or not other.alive then return ended() end
      other.hooks.question(other, question, self.process, text)
    end)
  end
  if open == 0 then later(self, function() self.hooks.answered(self, call, nil, nil, 0) end) end
  return true
end

function Program:answerOther(question, text, last)
  local answer = self.open[question]
  if last then self.open[question] = nil end
  if self.alive then answer(text, last) end
end

function Program:allUp() end
function Program:busCounts() return { sent = 1 } end
function Program:webCounts() return {} end
function Program:health() end
function Program:reloading() end
function Program:allUp() end
function Program:wake() end
function Program:renew() return false end
function Program:peer() return 1000, 42 end
function Program:log(level, text) table.insert(self.lines, level .. " " .. text) end
function Program:stop() self.stopped = true end

function Program:tell(id, call, text)
  local question, server = cjson.decode(text), self.servers[id]
  if not self.running[id] then return nil, "there is no such server", "NOENT" end
  later(self, function()
    local answer = server and server(question) or { ok = true }
    self.hooks.told(self, call, assert(cjson.encode(answer)))
  end)
  return true
end

function Program:startServer(member)
  later(self, function()
    self.running[member.id] = true
    self.world.life = self.world.life + 1
    self.lives[member.id] = self.world.life
    self.hooks.server(self, member.id, true)
    tell_others(self, member.id, "up")
  end)
  return true
end

function Program:stopServer(id)
  later(self, function()
    self:loses(id)
  end)
  return true
end

function Program:write(client, text) table.insert(self.written[client], json.decode(text)) end

---A server of it is gone.
---@param id string
---@param why string|nil
function Program:loses(id, why)
  self.running[id] = nil
  self.hooks.server(self, id, false, why)
  tell_others(self, id, "down")
end

---It is gone, with its servers.
function Program:dies()
  for id in pairs(self.running) do tell_others(self, id, "down") end
  self.alive = false
end

-- --- what a spec does -------------------------------------------------------------------------

---A tool on the machine of this program asks it.
---@param request table
---@return table answer the lines by number, and the last one in `done`
function Program:ask(request)
  local lines = self:begin(request)
  settle(self.world)
  return lines
end

---The same without waiting for the answer.
---@param request table
---@return table answer filled while the world goes on
function Program:begin(request)
  self.clients = self.clients + 1
  local lines = setmetatable({}, { __index = function(list, key)
    local last = rawget(list, #list)
    if key == "done" and last and last.done then return last end
  end })
  self.written[self.clients] = lines
  self.hooks.line(self, self.clients, cjson.encode(request))
  return lines
end

---A tool on the bus asks it.
---@param request table
---@return table answer as of ask
function Program:asked_on_bus(request)
  local lines, question = {}, "tool"
  self.open[question] = function(line, last)
    lines[#lines + 1] = json.decode(line)
    if last then lines.done = lines[#lines] end
  end
  self.hooks.question(self, question, ("f"):rep(32), cjson.encode(request))
  settle(self.world)
  return lines
end

---Whether its log has a line with this in it.
function Program:logged(text)
  for _, line in ipairs(self.lines) do
    if line:find(text, 1, true) then return true end
  end
  return false
end

---The ids of its servers, in order.
function Program:ids()
  local ids = {}
  for id in pairs(self.running) do ids[#ids + 1] = id end
  table.sort(ids)
  return table.concat(ids, " ")
end

local function program(world, name, n, ids)
  local self = setmetatable({
    world = world, process = ("%032x"):format(n), host = name, pid = 100 + n,
    name = ("%s:%d"):format(name, 100 + n), alive = true, running = {}, lives = {}, servers = {},
    open = {}, lines = {}, written = {}, clients = 0,
  }, Program)
  local run = { entries = {}, servers = {}, place = { moves = false } }
  for i, id in ipairs(ids) do
    run.entries[i], run.servers[i] = entry_of(id), { id = id }
  end
  function run.member(entry) return { id = entry.id } end
  function run.checked(entry)
    if type(entry) ~= "table" or not entry.id then return nil, "add: id is needed" end
    return entry_of(entry.id)
  end
  function run.place.open() end
  function run.place.follow() end
  function run.place.leave() end
  self.hooks = control.new(run)
  return self
end

---@param given table<string, string[]> by the host of each program, the ids of its servers
---@return table world the programs by these names; settle(); seen: what was passed on
function programs.new(given)
  local names = {}
  for name in pairs(given) do names[#names + 1] = name end
  table.sort(names)
  local world = {
    queue = {}, programs = {}, seen = {}, questions = 0, life = 0, up = true,
  }
  function world.settle() settle(world) end
  for n, name in ipairs(names) do
    world[name] = program(world, name, n, given[name])
    table.insert(world.programs, world[name])
  end
  for _, name in ipairs(names) do
    for _, id in ipairs(given[name]) do world[name]:startServer { id = id } end
  end
  settle(world)
  return world
end

return programs
