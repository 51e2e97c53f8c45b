-- members: the servers of a running program as its operator sees them: the state of each, one queue
-- of operations for each, and the news for the others when a server has come or gone, here or
-- (ops/elsewhere) in another process.
--
--   starting → up → stopping → (gone)
--        ↘ failed ↗   listed with its reason until it is restarted, or stopped
--
-- Of the operations of one server (add, stop, kill, restart) one runs at a time, and each is
-- answered once. Only kill does not wait for its turn: it ends what is under way.
local core = require "pomelua.core"
local elsewhere = require "pomelua.ops.elsewhere"
local versions = require "pomelua.ops.versions"

local members = {}

local methods = {}
local mt = { __index = methods }

---@class pomelua.Member
---@field id string
---@field entry table of servers.json, with its serverType
---@field state "starting"|"up"|"stopping"|"failed"|"gone"
---@field why string|nil what a failed one failed of
---@field queue table[] operations that wait: {kind, entry, reply}
---@field op table|nil the one that runs

local function put(self, entry, state)
  local one = { id = entry.id, entry = entry, state = state, queue = {} }
  self.by_id[one.id] = one
  self.order[#self.order + 1] = one
  return one
end

-- Servers of a type that are down, or gone, are known to those of it that start later.
local function know(self, entry)
  local ids = self.known[entry.serverType] or {}
  self.known[entry.serverType] = ids
  for _, id in ipairs(ids) do
    if id == entry.id then return end
  end
  ids[#ids + 1] = entry.id
end

---@param run table of cli.prepare: entries, servers (those that run here), member(entry, entries,
---known)
---@param hooks table program() gives core's; tell(id, question) asks a server and forgets it;
---wake() has versions:tick() called soon, as long as versions:waits()
function members.new(run, hooks)
  local self = setmetatable({
    run = run, hooks = hooks, order = {}, by_id = {}, place = {}, seen = {}, known = {},
    elsewhere = elsewhere.new(),
  }, mt)
  self.versions = versions.new(function(text) hooks.program():log("warn", text) end, core.clock)
  local here = {}
  for i, entry in ipairs(run.entries) do
    self.place[entry.id] = i
    know(self, entry)
  end
  for _, member in ipairs(run.servers) do here[member.id] = true end
  for _, entry in ipairs(run.entries) do
    if here[entry.id] then put(self, entry, "starting") end
  end
  return self
end

---@return pomelua.Member|nil
function methods:find(id) return self.by_id[id] end

---The ids of those in a state, or of all, in the order of servers.json and of their adding.
---@param state string|nil
---@return string[]
function methods:ids(state)
  local ids = {}
  for _, one in ipairs(self.order) do
    if one.state ~= "gone" and (not state or one.state == state) then ids[#ids + 1] = one.id end
  end
  return ids
end

---@return number up how many servers are up
---@return number all how many there are, those included that have failed or are on their way
function methods:count()
  return #self:ids("up"), #self:ids()
end

-- The servers of the app: those that run elsewhere (--only) and have not gone, and those here that
-- are not down.
-- An entry keeps its place, so that a restart does not move users from server to server.
-- `with` is about to start and knows itself.
local function entries(self, with)
  local list = {}
  for _, entry in ipairs(self.run.entries) do
    local one = self.by_id[entry.id]
    local here = not one or one.up or one == with or not self.ready
    if here or self.elsewhere:find(entry.id) then list[#list + 1] = entry end
  end
  return list
end

-- Entries of servers that are up, in this process and in others.
local function running(self)
  local list = self.elsewhere:entries()
  for _, one in ipairs(self.order) do
    if one.up then list[#list + 1] = one.entry end
  end
  return list
end

-- Tells every server that is up which server has come or gone. A server that has just come is told
-- of all the others.
local function announce(self, came, went)
  local question = {
    command = "servers", servers = entries(self), added = { came and came.entry },
    removed = { went and went.id },
  }
  for _, one in ipairs(self.order) do
    question.added = one == came and running(self) or question.added
    if one.up then self.hooks.tell(one.id, question) end
    question.added = { came and came.entry }
  end
end

-- Once each server of servers.json has been up, here or elsewhere, afterStartAll is called.
local function see(self, id)
  self.seen[id] = true
  if not self.ready or self.all_seen then return end
  for known in pairs(self.place) do
    if not self.seen[known] then return end
  end
  self.all_seen = true
  self.hooks.program():allUp()
end

local function drop_entry(self, id)
  for i, entry in ipairs(self.run.entries) do
    if entry.id == id then return table.remove(self.run.entries, i) end
  end
end

-- In the order of servers.json, and those that it does not name by id behind them: default routes
-- need the same order in every server and after every restart.
local function insert_entry(self, entry)
  know(self, entry)
  local list, place = self.run.entries, self.place[entry.id] or math.huge
  for i, other in ipairs(list) do
    local there = self.place[other.id] or math.huge
    if there > place or there == place and other.id > entry.id then
      return table.insert(list, i, entry)
    end
  end
  list[#list + 1] = entry
end

-- Who has an id may have changed: the list gets the entry of the process in which that server is
-- up, or that of the server here, which may come up again.
local function settle_entry(self, id)
  drop_entry(self, id)
  local other, one = self.elsewhere:find(id), self.by_id[id]
  local entry = other and other.entry or one and one.state ~= "gone" and one.entry
  if entry then insert_entry(self, entry) end
end

-- The server has ended and no thread of it is left.
local function forget(self, one)
  one.state = "gone"
  settle_entry(self, one.id)
end

-- Takes a server out of the lists when no operation waits for it.
local function bury(self, one)
  if one.state ~= "gone" or one.op or #one.queue > 0 then return end
  self.by_id[one.id] = nil
  self.versions:set(one.id, nil)
  for i, other in ipairs(self.order) do
    if other == one then
      table.remove(self.order, i)
      break
    end
  end
  if #self.order == 0 then self.hooks.program():stop() end
end

local steps = {}

-- Runs the operations that wait, one after the other; an operation may end at once.
local function pump(self, one)
  if one.pumping then return end
  one.pumping = true
  while not one.op and #one.queue > 0 do
    one.op = table.remove(one.queue, 1)
    steps[one.op.kind](self, one, one.op)
  end
  one.pumping = nil
  bury(self, one)
end

-- refused: the operation is not possible in this state; the server has not failed.
local function finish(self, one, ok, message, refused)
  local op = one.op
  one.op = nil
  op.reply(ok, message, refused)
  for _, reply in ipairs(op.killers or {}) do reply(true, "ended") end
  pump(self, one)
end

-- --- starting -----------------------------------------------------------------------------

local function not_up(self, one, text)
  local op = one.op
  if op.fresh or op.killers then -- an add that failed leaves nothing behind
    forget(self, one)
  else
    one.state, one.why = "failed", text
  end
  finish(self, one, false, op.killers and "it was killed meanwhile" or text, op.killers ~= nil)
end

local function start(self, one)
  one.state, one.why = "starting", nil
  local member, message = self.run.member(one.entry, entries(self, one),
    self.known[one.entry.serverType])
  local ok = member ~= nil
  if ok then ok, message = self.hooks.program():startServer(member) end
  if not ok then not_up(self, one, message) end
end

-- The servers of the start are told together, when all of them are up.
local function first_up(self)
  for _, one in ipairs(self.order) do
    if not one.up then return end
  end
  self.ready = true
  for _, one in ipairs(self.order) do
    self.hooks.tell(one.id, {
      command = "servers", servers = entries(self), added = running(self), removed = {},
    })
  end
end

local function came_up(self, one)
  one.state, one.up = "up", true
  if self.ready then announce(self, one, nil) else first_up(self) end
  see(self, one.id)
  if not self.ready then return end
  local op = one.op
  if not op then return end
  local text = op.kind == "add" and "is up" or "restarted"
  if op.cut then text = text .. ", but this had to be cut: " .. op.cut end
  finish(self, one, op.cut == nil, text)
end

function steps.add(self, one, op)
  if one.state == "up" then return finish(self, one, false, "a server of that id runs", true) end
  op.fresh = one.state == "gone"
  one.entry = op.entry
  drop_entry(self, one.id)
  insert_entry(self, op.entry)
  start(self, one)
end

-- --- ending -------------------------------------------------------------------------------

local function no_such(self, one) finish(self, one, false, "there is no such server", true) end

local function stop(self, one, now)
  one.state = "stopping"
  local ok, message = self.hooks.program():stopServer(one.id, now)
  if ok then return end
  one.state = one.up and "up" or "failed"
  finish(self, one, false, message)
end

function steps.stop(self, one, op)
  if one.state == "gone" then return no_such(self, one) end
  if one.state == "up" then return stop(self, one, op.kind == "kill") end
  forget(self, one)
  finish(self, one, true, "it had failed, and is off the list")
end
steps.kill = steps.stop

function steps.restart(self, one)
  if one.state == "gone" then return no_such(self, one) end
  if one.state == "up" then return stop(self, one, false) end
  start(self, one)
end

-- Ends the operation that runs, at once and without the server's lifecycle.
local function kill_now(self, one, reply)
  local op = one.op
  op.killers = op.killers or {}
  table.insert(op.killers, reply)
  self.hooks.program():stopServer(one.id, true)
end

local function went_down(self, one, text)
  local was_up, op = one.up, one.op
  one.up = false
  if not op then
    one.state, one.why = "failed", text or "it has ended by itself"
  elseif one.state == "stopping" and (op.kind ~= "restart" or op.killers) then
    forget(self, one)
  end
  if was_up and self.ready then announce(self, nil, one) end
  if not op then return end
  if one.state == "starting" then return not_up(self, one, text or "it ended before it was up") end
  if op.kind == "restart" and not op.killers then
    op.cut = text
    return start(self, one)
  end
  if op.kind == "stop" and text then
    return finish(self, one, false, "stopped, but this had to be cut: " .. text)
  end
  local good = op.kind ~= "restart"
  finish(self, one, good, not good and "it was killed meanwhile"
    or op.kind == "stop" and "stopped" or "ended", not good)
end

-- --- other processes ------------------------------------------------------------------------

local function use(self, id, versions_used)
  self.versions:set(id, versions_used)
  if self.versions:waits() then self.hooks.wake() end
end

---What a server here announces to other processes.
---@param id string
---@param info string JSON
function methods:informed(id, info)
  local _, used = elsewhere.read(id, info)
  if self.run.bus then use(self, id, used) end
end

---A server of another process is up, stops, or is gone. Its id is that of no server that is up
---here: the bus ends that one first.
---@param state "up"|"leaving"|"down"
---@param other pomelua.Elsewhere as the hook `remote` gets it
function methods:remote(state, other)
  local came, went = self.elsewhere:changed(state, other)
  if came or went then use(self, other.id, came and came.versions) end
  if not came and not went then return end
  settle_entry(self, other.id)
  if self.ready then announce(self, came, went) end
  if came then see(self, other.id) end
end

-- --- what others call -----------------------------------------------------------------------

---Queues an operation of a server behind those that were asked for before.
---@param kind "add"|"stop"|"kill"|"restart"
---@param id string
---@param reply fun(ok: boolean, message: string, refused: boolean|nil) called once
---@param entry table|nil of servers.json, for add
function methods:ask_for(kind, id, reply, entry)
  if not self.ready then return reply(false, "the program is still starting", true) end
  local one = self.by_id[id]
  if not one then
    if kind ~= "add" then return reply(false, "there is no such server", true) end
    one = put(self, entry, "gone")
  end
  if kind == "kill" and one.op then return kill_now(self, one, reply) end
  table.insert(one.queue, { kind = kind, entry = entry, reply = reply })
  pump(self, one)
end

---Another life has the id of a server here: it ends like one that an operator stops.
function methods:superseded(id)
  self:ask_for("stop", id, function(ok, message)
    local program = self.hooks.program()
    if not ok then program:log("error", ("stop %s: %s"):format(id, message)) end
    if not self.ready then program:stop() end
  end)
end

---A server is up, has ended, or could not start.
---@return boolean stay whether the program goes on without any server: one that has failed may
---be mended and restarted
function methods:changed(id, up, text)
  local one = self.by_id[id]
  if one and up then
    came_up(self, one)
  elseif one then
    went_down(self, one, text)
  end
  for _, other in ipairs(self.order) do
    if other.state == "failed" or other.op then return true end
  end
  return false
end

return members
