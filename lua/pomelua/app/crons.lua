-- crons: functions of the game that are called at times of the day (protocol 20). They come from
--
--   config/crons.json   calls file.method of app/servers/<type>/cron; loaded anew with a reload
--   app:addCrons        the same at run time, until app:removeCrons
--   app:cron            a function; one that a file adds while it loads ends with the file
--
-- One timer waits for what is due next. What is late runs once, however many of its times have
-- passed; what still runs when it is due again is left out. Times are those of the wall clock, so
-- the timer looks at it at least once a minute: it may be set anew.
local cron_file = require "pomelua.config.crons"
local cron_time = require "pomelua.base.cron_time"
local errors = require "pomelua.base.errors"
local near = require "pomelua.base.near"
local task = require "pomelua.run.task"
local tables = require "pomelua.base.tables"
local timers = require "pomelua.run.timers"
local units = require "pomelua.run.unit"
local where = require "pomelua.base.where"

local crons = {}

local LOOK = 60 -- seconds
local LATE = 1  -- seconds after which a run is told to be late

---The part of a server that belongs to this file.
---@param server pomelua.Server
function crons.init(server)
  server.crons = {
    by_id = {}, -- [id] = record {id=, name=, spec=, due=, running=, action= or fn=, config=}
    removed = {}, -- [id] = true: of config/crons.json, taken out at run time
    last = 0, -- of the ids that app:cron gives
    running = false, -- from the server's start to its stop
    timer = nil, -- {fire=}, until the next look
  }
  for _, path in ipairs(cron_file.paths(server.env)) do
    server.live.config[server.base .. "/" .. path] = true
  end
end

-- --- running ----------------------------------------------------------------------------------

local function call(server, record)
  record.running = true
  local fn, self = record.fn, nil
  if record.action then
    local entry = server.registry.set.crons[record.action]
    if not entry then error(("there is no cron %q"):format(record.action), 0) end
    fn, self = entry.fn, entry.owner
  end
  if self then fn(self) else fn() end
  record.running = false
end

local function run(server, record)
  local owner = { name = record.name, generation = server.generation }
  function owner.failed() record.running = false end
  -- It is a work of its own: a stop in order waits for a run that has begun.
  task.run_for({ name = record.name }, server, owner, call, server, record)
end

-- The first one runs now, others get a call from C of their own, and so a budget of their own.
local function start_run(server, record, first)
  if record.running then
    server:warn(record.name .. ": it is due, and still runs; this time is left out",
      "crons that still run")
    return
  end
  if first or server.virtual then return run(server, record) end
  timers.start(server, 0, { of_framework = true, fire = function() run(server, record) end })
end

local look

local function next_look(server)
  local own, now = server.crons, server.wall()
  if not own.running then return end
  local due
  for _, record in pairs(own.by_id) do
    if record.due and (not due or record.due < due) then due = record.due end
  end
  if own.timer then timers.stop(server, own.timer) end
  own.timer = nil
  if not due then return end
  local ms = math.max(1, math.ceil((math.min(due, now + LOOK) - now) * 1000))
  own.timer = timers.start(server, ms, { of_framework = true, fire = look })
  if not own.timer then server:error("crons: too many timers, no cron runs any more") end
end

-- Runs what is due.
function look(server)
  local own, now = server.crons, server.wall()
  own.timer = nil
  local due = {}
  for _, record in pairs(own.by_id) do
    if record.due and record.due <= now then due[#due + 1] = record end
  end
  table.sort(due, function(a, b)
    if a.due ~= b.due then return a.due < b.due end
    return a.number < b.number
  end)
  for i, record in ipairs(due) do
    if now - record.due >= LATE then
      server:warn(("%s: %.1f s late"):format(record.name, now - record.due), "crons that are late")
    end
    record.due = cron_time.next(record.spec, now, cron_time.offset)
    start_run(server, record, i == 1)
  end
  next_look(server)
end

-- --- what there is ----------------------------------------------------------------------------

local function put(server, record)
  local own = server.crons
  own.last = own.last + 1
  record.number = own.last
  own.by_id[record.id] = record
  if own.running then
    record.due = cron_time.next(record.spec, server.wall(), cron_time.offset)
    next_look(server)
  end
end

local function take(server, record)
  local own = server.crons
  if own.by_id[record.id] ~= record then return end
  own.by_id[record.id] = nil
  next_look(server)
end

-- Whether a cron that is there keeps another one of its id out: not its own file's older load.
local function keeps_out(there, unit)
  return there and not (units.prepared() and unit and there.unit_path == unit.path)
end

local function name_of(id) return ("cron %q"):format(id) end

-- A record that a file adds while it loads belongs to it.
local function add(server, record)
  local unit, gen = units.loading()
  if not unit then return put(server, record) end
  unit:on_end(record, function() take(server, record) end)
  units.when_active(gen, function() put(server, record) end)
end

-- What config/crons.json says. Crons that are as before keep the time of their next run.
local function apply(server)
  local own, wanted = server.crons, {}
  for _, cron in ipairs(server.registry.set.schedule or {}) do
    if cron.serverId == nil or cron.serverId == server.id then wanted[cron.id] = cron end
  end
  for id, record in pairs(own.by_id) do
    local cron = wanted[id]
    if record.config and not (cron and cron.time == record.time
      and cron.action == record.action) then
      own.by_id[id] = nil
    end
  end
  for _, cron in ipairs(server.registry.set.schedule or {}) do
    local there = own.by_id[cron.id]
    if wanted[cron.id] == cron and there and not there.config then
      server:warn(("config/crons.json: the id %q is that of a cron which scripts have added")
        :format(cron.id))
    elseif wanted[cron.id] == cron and not there and not own.removed[cron.id] then
      put(server, {
        id = cron.id, name = name_of(cron.id), spec = cron.spec, time = cron.time,
        action = cron.action, config = true,
      })
    end
  end
  next_look(server)
end

---What app:addCrons has added before there were functions to look for, and whose function is not
---there.
---@param server pomelua.Server
---@param actions table<string, any> by name: the functions of the type's folder cron
---@return table<string, string> texts by the cron's id
function crons.missing(server, actions)
  local texts = {}
  for id, record in pairs(server.crons.by_id) do
    if record.action and not actions[record.action] then
      texts[id] = ("%sapp:addCrons: %q: there is no cron %q%s"):format(
        record.place and record.place .. ": " or "", id, record.action,
        near.hint(record.action, actions))
    end
  end
  return texts
end

---From now on crons run.
---@param server pomelua.Server
function crons.start(server)
  local own = server.crons
  own.running = true
  local missing = crons.missing(server, server.registry.set.crons)
  for _, id in ipairs(tables.sorted_keys(missing)) do
    server:error(missing[id])
    own.by_id[id] = nil
  end
  for _, record in pairs(own.by_id) do
    record.due = cron_time.next(record.spec, server.wall(), cron_time.offset)
  end
  apply(server)
  table.insert(server.registry.told, function()
    if own.running then apply(server) end
  end)
end

---No cron runs any more. What runs goes on.
---@param server pomelua.Server
function crons.stop(server)
  local own = server.crons
  own.running = false
  if own.timer then timers.stop(server, own.timer) end
  own.timer = nil
end

-- --- what scripts call --------------------------------------------------------------------------

---app:addCrons. Raises for an entry that is wrong, before any is added.
---@param server pomelua.Server
---@param list table[] entries as in config/crons.json
function crons.add(server, list)
  if type(list) ~= "table" then
    errors.raise("app:addCrons(list): list must be an array of { id =, time =, action = }, got a "
      .. type(list))
  end
  local own, found, place = server.crons, {}, where.now()
  local given = {
    servers = server.known_ids, runs = own.running,
    actions = own.running and not units.prepared() and server.registry.set.crons or nil,
  }
  for i, entry in ipairs(list) do
    found[i] = cron_file.entry(entry, given, function(key, text, warning)
      text = ("app:addCrons: [%d]%s: %s"):format(i, key and "." .. key or "", text)
      if not warning then errors.raise(text) end
      server:warn(where.told(text), "crons of servers that are not known")
    end)
  end
  for _, cron in ipairs(found) do
    local unit, here = units.loading(), cron.serverId == nil or cron.serverId == server.id
    if here and keeps_out(own.by_id[cron.id], unit) then
      server:warn(("app:addCrons: there is a cron %q already, this one is ignored"):format(cron.id),
        "crons that are there already")
    elseif here then
      own.removed[cron.id] = nil
      add(server, {
        id = cron.id, name = name_of(cron.id), spec = cron.spec, time = cron.time,
        action = cron.action, unit_path = unit and unit.path, place = place,
      })
    end
  end
  server.event:emit("add_crons", list)
end

-- An id as it is kept; nil: it can be none.
local function id_text(id)
  if type(id) == "number" then return ("%.14g"):format(id) end
  return type(id) == "string" and id or nil
end

---app:removeCrons. Raises for an id that can be none, before any is removed.
---@param server pomelua.Server
---@param list any[] ids, or tables with one
---@return number removed how many there were
function crons.remove(server, list)
  if type(list) ~= "table" then
    errors.raise("app:removeCrons(list): list must be an array of ids, or of tables with an id, "
      .. "got a " .. type(list))
  end
  local own, n, ids = server.crons, 0, {}
  for i, one in ipairs(list) do
    local id = type(one) == "table" and errors.field(one, "id") or one
    ids[i] = id_text(id)
    if not ids[i] then
      errors.raise(("app:removeCrons: [%d]: the id must be a number or a text, got a %s")
        :format(i, type(id)))
    end
  end
  for _, id in ipairs(ids) do
    local record = own.by_id[id]
    if record then
      n = n + 1
      if record.config then own.removed[record.id] = true end
      take(server, record)
    else
      server:warn(("app:removeCrons: there is no cron %q"):format(id), "crons that are not there")
    end
  end
  server.event:emit("remove_crons", list)
  return n
end

---app:cron.
---@param server pomelua.Server
---@param time string
---@param fn function
---@param opts table|nil id, serverId
---@return string id
function crons.call(server, time, fn, opts)
  if type(fn) ~= "function" or opts ~= nil and type(opts) ~= "table" then
    errors.raise("app:cron(time, fn, opts): fn must be a function and opts a table, got a "
      .. type(fn) .. " and a " .. type(opts))
  end
  local spec, message = cron_time.parse(time)
  if not spec then errors.raise("app:cron: " .. message) end
  local own = server.crons
  opts = opts or {}
  for key in pairs(opts) do
    if key ~= "id" and key ~= "serverId" then
      errors.raise(("app:cron: there is no option %s%s"):format(errors.tostring(key),
        near.hint(key, { "id", "serverId" })))
    end
  end
  if opts.serverId ~= nil and not server.known_ids[opts.serverId] then
    local text = ("app:cron: %s is no server of this type"):format(tostring(opts.serverId))
    if not own.running or type(opts.serverId) ~= "string" then errors.raise(text) end
    server:warn(where.told(text), "crons of servers that are not known")
  end
  if opts.id ~= nil and not id_text(opts.id) then
    errors.raise("app:cron: opts.id must be a number or a text, got a " .. type(opts.id))
  end
  local info = debug.getinfo(fn, "S")
  own.last = own.last + 1
  local id = opts.id and id_text(opts.id) or ("%s:%d #%d"):format(info.short_src, info.linedefined,
    own.last)
  if opts.serverId == nil or opts.serverId == server.id then
    local there, unit = own.by_id[id], units.loading()
    if keeps_out(there, unit) then
      errors.raise(("app:cron: there is a cron %q already"):format(id))
    end
    add(server, {
      id = id, name = name_of(id), spec = spec, time = time, fn = fn,
      unit_path = unit and unit.path,
    })
  end
  return id
end

---The crons of this server.
---@param server pomelua.Server
---@return table[] {id=, time=, action=, next= seconds since 1970}, by id
function crons.list(server)
  local list = {}
  for id, record in pairs(server.crons.by_id) do
    list[#list + 1] = { id = id, time = record.time, action = record.action, next = record.due }
  end
  table.sort(list, function(a, b) return a.id < b.id end)
  return list
end

return crons
