-- kept: the states that outlive their process. A file asks for it by `state.__keep = true`. Every
-- stateConfig.saveInterval, and when the server stops, the states that ask are written as text
-- (base/kept_text), all of them at one moment; those whose text has changed go to the keeper, which
-- puts them on the disk off the loop. A new process gets them before any file is loaded, and offers
-- each to its file's `migrate`.
--
-- What a server keeps goes to its keeper, which the program sets or the test kit:
--
--   load(server) -> {[file's name] = text} | nil, message   before app.lua runs
--   save(server, changes, done)   changes: { {file, text}, … }, without a text: it is kept no
--                                 longer; all of them or none; done(message or nil) comes once
local kept_text = require "pomelua.base.kept_text"
local migration = require "pomelua.live.migration"
local tables = require "pomelua.base.tables"
local timers = require "pomelua.run.timers"

local kept = {}

---What `migrate` gets as `from` for a state of an earlier process; generations begin with 1.
kept.EARLIER = 0

local MARK = "__keep" -- it says that the state is kept, and is no part of the text
local SKIP = { [MARK] = true }

local on_state

---The part of a server that belongs to this file.
---@param server pomelua.Server
function kept.init(server)
  server.kept = {
    keeper = nil, -- see above; nil: nothing is kept
    texts = {}, -- [file's name] = the text that the keeper has
    offered = {}, -- [file's name] = true: of an earlier process, and its file has not taken it yet
    wrong = {}, -- [file's name] = why it could not be kept the last time
    failed = nil, -- why the keeper could not write the last time
    writing = false, after = {}, -- whether the keeper writes, and functions to call after it
    begun = false, -- whether the server has offered what it found
    started = false, -- from the server's start to its stop: states are saved
    timer = nil, -- until they are saved next; nil: there is none
    counts = { stateSaves = 0, stateErrors = 0 },
  }
  server.live.on_loaded, server.live.on_state = kept.loaded, on_state
end

-- The start ------------------------------------------------------------------------------

---Before app.lua runs: the states of the earlier process.
---@param server pomelua.Server
---@return boolean|nil ok
---@return string|nil message the server must not start: it would write over what is there
function kept.restore(server)
  local self = server.kept
  if not self.keeper then return true end
  local texts, message = self.keeper.load(server)
  if not texts then return nil, message end
  for name, text in pairs(texts) do
    local state
    state, message = kept_text.decode(text)
    if not state then return nil, ("the kept state of %s: %s"):format(name, message) end
    state[MARK] = true
    server.live.states[name] = state
    self.texts[name], self.offered[name] = text, true
  end
  return true
end

---@param unit pomelua.Unit
---@return boolean whether the state of the unit is one of an earlier process, not taken yet
function kept.is_offered(server, unit)
  return server.kept.offered[unit.name] == true
end

---The file of a unit has its state now.
---@param unit pomelua.Unit
function kept.taken(server, unit) server.kept.offered[unit.name] = nil end

local function offer(server, unit)
  if not kept.is_offered(server, unit) then return true end
  local _, message = migration.run(server, unit, kept.EARLIER)
  if message then return nil, message end
  kept.taken(server, unit)
  return true
end

---The files of the first generation are loaded: they get what the earlier process has left.
---@param server pomelua.Server
---@return boolean|nil ok
---@return string|nil message of a `migrate`
function kept.offer(server)
  local self = server.kept
  self.begun = true
  if next(self.offered) == nil then return true end
  local units = server.generation.units
  for _, path in ipairs(tables.sorted_keys(units)) do
    local ok, message = offer(server, units[path])
    if not ok then return nil, message end
  end
  for _, name in ipairs(tables.sorted_keys(self.offered)) do
    if not server.generation.sources[server.base .. "/" .. name] then
      server:notice(("the kept state of %s waits for its file, which is not there"):format(name))
    end
  end
  return true
end

---A file is loaded for the first time while the server runs. Raises when its `migrate` does.
---@param server pomelua.Server
---@param unit pomelua.Unit
function kept.loaded(server, unit)
  if not server.kept.begun then return end
  local ok, message = offer(server, unit)
  if not ok then error(message, 0) end
end

-- Saving ---------------------------------------------------------------------------------

-- Tells what is wrong with a state once, until it is something else.
local function tell(server, name, message)
  local self = server.kept
  self.counts.stateErrors = self.counts.stateErrors + 1
  if self.wrong[name] == message then return end
  self.wrong[name] = message
  server:error(("%s: %s; what was saved of it before stays"):format(name, message))
end

-- The text of a state that is to be kept; false: it is not to be; nil: it cannot be, as told.
local function text_of(server, name, state)
  local mark = rawget(state, MARK)
  if mark == nil or mark == false then return false end
  local text, message
  if mark == true then
    text, message = kept_text.encode(state,
      { root = "state", most = server.checked.state_size, skip = SKIP })
  else
    message = "state.__keep: must be true or false, got " .. tables.shown(mark)
  end
  if not text then return tell(server, name, message) end
  server.kept.wrong[name] = nil
  return text
end

-- What the keeper does not have yet.
local function changed(server)
  local self, changes = server.kept, {}
  for name, state in pairs(server.live.states) do
    local text = text_of(server, name, state)
    if text and text ~= self.texts[name] then
      changes[#changes + 1] = { name, text }
    elseif text == false and self.texts[name] then
      changes[#changes + 1] = { name }
    end
  end
  return changes
end

local function written(server, changes, message)
  local self = server.kept
  self.writing = false
  if message then
    self.counts.stateErrors = self.counts.stateErrors + 1
    if self.failed ~= message then
      server:error("states are not kept until this is mended: " .. message)
    end
  else
    self.counts.stateSaves = self.counts.stateSaves + 1
    for _, change in ipairs(changes) do self.texts[change[1]] = change[2] end
  end
  self.failed = message
  local after = self.after
  self.after = {}
  for _, fn in ipairs(after) do fn() end
end

-- Hands the keeper what has changed; done() is called when it is written, or could not be.
local function save(server, done)
  local self = server.kept
  if self.writing then
    self.after[#self.after + 1] = function() save(server, done) end
    return
  end
  local changes = changed(server)
  if #changes == 0 then return done() end
  self.writing = true
  self.after[1] = done
  self.keeper.save(server, changes, function(message) written(server, changes, message) end)
end

-- Nothing waits, and no time is spent, in a server whose files have no state.
local function wait(server)
  local self = server.kept
  self.timer = timers.start(server, server.checked.state_ms, { of_framework = true,
    fire = function()
      if not self.writing then save(server, function() end) end
      wait(server)
    end })
end

---The server is up: what its files keep is saved from now on, for the first time at once.
---@param server pomelua.Server
function kept.start(server)
  local self = server.kept
  if not self.keeper then return end
  self.started = true
  save(server, function() end)
  if next(server.live.states) ~= nil then wait(server) end
end

-- A file has a state now, which may ask to be kept at any time.
function on_state(server)
  local self = server.kept
  if self.started and not self.timer then wait(server) end
end

---The server stops: nothing changes its states any more.
---@param server pomelua.Server
---@param done fun() called when they are saved, or could not be
function kept.stop(server, done)
  local self = server.kept
  if not self.keeper or not self.begun then return done() end
  if self.timer then timers.stop(server, self.timer) end
  self.started = false
  save(server, done)
end

return kept
