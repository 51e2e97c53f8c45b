-- reload: new code comes into force while messages arrive: prepare, check, swap, tell.
--
--   prepare  the files are read; what has changed, and whoever stands on it, is loaded
--            beside the running code, as a new generation
--   check    the set has the right shape, no route is lost, each file's __check agrees
--   swap     states migrate and the new generation is in force, all between two messages
--   tell     the log and the caller
--
-- What fails before the swap is told with its file and line, and changes nothing.
local current = require "pomelua.base.current"
local census = require "pomelua.live.census"
local dropped = require "pomelua.live.dropped"
local errors = require "pomelua.base.errors"
local files = require "pomelua.base.files"
local generation = require "pomelua.live.generation"
local loader = require "pomelua.live.loader"
local sources = require "pomelua.live.sources"
local task = require "pomelua.run.task"
local timers = require "pomelua.run.timers"

local reload = {}

-- What the compiler has made of old code is not freed with it: once in so many
-- generations all of it is, and what is hot is compiled again.
local FLUSH = 8
local UNWRITTEN_MS = 2000 -- for an editor to write what it has emptied

local function sorted_keys(map)
  local list = {}
  for key in pairs(map) do list[#list + 1] = key end
  table.sort(list)
  return list
end

-- What changes ------------------------------------------------------------------------

local function differing(old, new)
  local changed = {}
  for path, text in pairs(new) do
    if old[path] ~= text then changed[path] = true end
  end
  for path in pairs(old) do
    if new[path] == nil then changed[path] = true end
  end
  return changed
end

-- The names by which a module may be asked for: its path from the app's folder, what
-- is written behind require, and for handlers and remotes type.module.
local function answers_to(server, path)
  local short = generation.short(server, path)
  local dotted = short:gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
  local kind, base = dotted:match("^app%.servers%." .. server.type:gsub("%p", "%%%0")
    .. "%.(%w+)%.([^.]+)$")
  return { [short] = true, [path] = true, [dotted] = true,
    [kind and server.type .. "." .. base or short] = true, [kind and base or short] = true }
end

-- The named modules, and no others, are taken as changed; texts keeps the old of the rest.
local function only_named(server, old, texts, names)
  local changed, unknown, mixed = {}, {}, {}
  for path, text in pairs(old.sources) do mixed[path] = text end
  for _, name in ipairs(names) do
    local found = false
    for _, map in ipairs { texts, old.sources } do
      for path in pairs(map) do
        if answers_to(server, path)[name] then
          found = true
          changed[path] = true
          mixed[path] = texts[path]
        end
      end
    end
    if not found then unknown[#unknown + 1] = name end
  end
  return changed, mixed, unknown
end

-- Whether a name that a unit has required would now be found elsewhere.
local function moved(unit, probe)
  for name, path in pairs(unit.names) do
    if (generation.find(probe, name) or false) ~= path then return true end
  end
  return false
end

-- Adds whoever requires what has changed, and whoever requires them.
local function dependents(server, old, texts, changed)
  local probe = generation.new(server, 0, texts)
  local dirty = {}
  for path in pairs(changed) do dirty[path] = true end
  local asks = {} -- path → the units that require it
  for path, unit in pairs(old.units) do
    for required in pairs(unit.requires) do
      asks[required] = asks[required] or {}
      table.insert(asks[required], path)
    end
    if not dirty[path] and moved(unit, probe) then dirty[path] = true end
  end
  local queue = sorted_keys(dirty)
  while #queue > 0 do
    for _, path in ipairs(asks[table.remove(queue)] or {}) do
      if not dirty[path] then
        dirty[path] = true
        queue[#queue + 1] = path
      end
    end
  end
  return dirty
end

-- Prepare -----------------------------------------------------------------------------

-- LuaJIT's parser has faults that end the process: the text is read in another one first.
local function parse(server, changed, texts)
  for _, path in ipairs(sorted_keys(changed)) do
    if texts[path] and path:find("%.lua$") then
      local ok, message = server:check_syntax(path, texts[path])
      if not ok then return nil, message end
    end
  end
  return true
end

-- Everything of the new generation is loaded: files of every kind, and the modules that
-- somebody has asked for before, so that a mistake in one of them is seen now.
local function load_all(gen, dirty)
  local set, message = loader.load(gen)
  if not set then return nil, message end
  for _, path in ipairs(sorted_keys(dirty)) do
    if gen.sources[path] and gen.asked[path] then
      local unit
      unit, message = generation.load(gen, path)
      if not unit then return nil, message end
    end
  end
  return set
end

local function prepare(server, old, texts, dirty)
  local gen = generation.new(server, server.live.last + 1, texts)
  gen.asked = {}
  for path, unit in pairs(old.units) do
    if dirty[path] then
      gen.asked[path] = true
    else
      gen.units[path] = unit
    end
  end
  local t = current.task
  t.loading, server.live.preparing = gen, gen
  local waits = t.waits
  local ok, set, message = pcall(load_all, gen, dirty)
  t.loading = nil
  if not ok then set, message = nil, errors.text(set) end
  if not set then
    generation.give_up(gen, waits ~= t.waits)
    return nil, message
  end
  gen.set, gen.waited = set, waits ~= t.waits
  return gen
end

-- Check -------------------------------------------------------------------------------

local function lost(old, new)
  local list = {}
  for name in pairs(old or {}) do
    if not new[name] then list[#list + 1] = name end
  end
  return list
end

-- Routes and remotes that would be no more.
local function vanished(server, set)
  local before = server.registry.set
  local list = lost(before.handlers, set.handlers)
  for _, name in ipairs(lost(before.remotes, set.remotes)) do
    list[#list + 1] = "remote " .. name
  end
  table.sort(list)
  return list
end

local function ask_units(gen)
  for _, unit in ipairs(gen.fresh) do
    local module = type(unit.value) == "table" and unit.value or unit.raw
    local fn = type(module) == "table" and rawget(module, "__check")
    if type(fn) == "function" then
      local ok, agreed, why = generation.within(gen, unit, task.at_once, fn, module,
        gen.server.app)
      if not ok then return nil, generation.located(unit.name, agreed) end
      if agreed == false or agreed == nil and why ~= nil then
        return nil, generation.located(unit.name, "__check: " .. errors.text(why or "false"))
      end
    end
  end
  return true
end

local function check(server, gen, options)
  local gone = vanished(server, gen.set)
  if #gone > 0 and not options.force and server.env ~= "development" then
    return nil, ("%d of its routes would be gone: %s (force the reload to lose them)")
      :format(#gone, table.concat(gone, ", ")), gone
  end
  local ok, message = ask_units(gen)
  if not ok then return nil, message, gone end
  return true, nil, gone
end

-- Swap --------------------------------------------------------------------------------

-- The contents of a table and of all that are in it, so that they can be put back.
local function snapshot(root)
  local copies, queue = {}, { root }
  while #queue > 0 do
    local one = table.remove(queue)
    if not copies[one] then
      local copy = {}
      copies[one] = copy
      for key, value in next, one do
        copy[key] = value
        if type(value) == "table" then queue[#queue + 1] = value end
        if type(key) == "table" then queue[#queue + 1] = key end
      end
    end
  end
  return copies
end

local function restore(copies)
  for one, copy in pairs(copies) do
    for key in next, one do
      if rawget(copy, key) == nil then rawset(one, key, nil) end
    end
    for key, value in next, copy do rawset(one, key, value) end
  end
end

-- A coroutine of its own cannot wait: the old code must not run between.
local function call_alone(fn, ...)
  local co = coroutine.create(fn)
  local ok, message = coroutine.resume(co, ...)
  if not ok then return nil, errors.text(message) end
  if coroutine.status(co) ~= "dead" then return nil, "migrate must not wait" end
  return true
end

local function migrate_all(server, old, gen)
  local saved = {}
  for _, unit in ipairs(gen.fresh) do
    local module = type(unit.value) == "table" and unit.value or unit.raw
    local fn = type(module) == "table" and rawget(module, "migrate")
    local before = old.units[unit.path]
    if type(fn) == "function" and before then
      local state = generation.state_of(server, unit.path)
      saved[#saved + 1] = snapshot(state)
      local ok, message = call_alone(fn, state, before.generation)
      if not ok then
        for i = #saved, 1, -1 do restore(saved[i]) end
        return nil, generation.located(unit.name, "migrate: " .. message)
      end
    end
  end
  return true
end

-- Nothing here may fail.
local function swap(server, old, gen)
  server.live.last = gen.number
  server.registry:swap(gen.set)
  server.generation = gen
  server.node:setGeneration(gen.number)
  old.state, gen.state = "over", "active"
  for path, unit in pairs(old.units) do
    if gen.units[path] ~= unit then unit:finish() end
  end
  for _, fn in ipairs(gen.held) do
    local ok, message = pcall(fn)
    if not ok then server:error("reload: " .. errors.text(message)) end
  end
  for key, value in pairs(gen.settings) do server.app:set(key, value[1], value[2]) end
  gen.held, gen.settings, gen.fresh, gen.kept, gen.asked = nil, nil, nil, nil, nil
  if gen.number % FLUSH == 0 then jit.flush() end
end

-- All of it ---------------------------------------------------------------------------

local function fail(message, code, more)
  local err = errors.new(message, code)
  for key, value in pairs(more or {}) do err[key] = value end
  return nil, err
end

local function names_of(gen)
  local names = {}
  for _, unit in ipairs(gen.fresh) do names[#names + 1] = unit.name end
  table.sort(names)
  return names
end

local function nothing(old, unknown)
  return {
    generation = old.number, modules = {}, removed = {}, gone = {}, warnings = {},
    unknown = unknown,
  }
end

-- Whether anything that is loaded would be another.
local function affects(old, gen)
  for path, unit in pairs(old.units) do
    if gen.units[path] ~= unit then return true end
  end
  return #gen.fresh > 0
end

-- Editors empty a file before they write it: in development an empty file is not yet a module,
-- and what it held before, if it was there, stays in force until it has text.
local function keep_unwritten(server, old, texts)
  if server.env ~= "development" then return end
  for path, text in pairs(texts) do
    if text == "" and old[path] ~= "" then
      texts[path] = old[path]
      if not server.live.unwritten[path] then
        server.live.unwritten[path] = true
        timers.start(server, UNWRITTEN_MS, { fire = function()
          server.live.unwritten[path] = nil
          if files.read(path) ~= "" then return end
          server:warn(("reload: %s is empty: %s until it has text"):format(
            generation.short(server, path),
            old[path] and "its previous content stays in force" or "it is no module"))
        end })
      end
    end
  end
end

-- In a task of its own. Returns a result, or nil and an error.
local function run(server, options)
  local old = server.generation
  local texts, message = sources.read(server, old.sources or {})
  if not texts then return fail(message, "IO") end
  keep_unwritten(server, old.sources or {}, texts)
  local changed, unknown
  if options.modules and #options.modules > 0 then
    changed, texts, unknown = only_named(server, old, texts, options.modules)
  else
    changed = differing(old.sources or {}, texts)
  end
  if not next(changed) then return nothing(old, unknown) end
  local ok
  ok, message = parse(server, changed, texts)
  if not ok then return fail(message, "SYNTAX") end
  local dirty = dependents(server, old, texts, changed)
  local gen
  gen, message = prepare(server, old, texts, dirty)
  if not gen then return fail(message, "LOAD") end
  if not affects(old, gen) then
    generation.give_up(gen, gen.waited)
    old.sources = texts
    return nothing(old, unknown)
  end
  local set = gen.set
  local gone
  ok, message, gone = check(server, gen, options)
  if ok and not options.dry then ok, message = migrate_all(server, old, gen) end
  if not ok then
    generation.give_up(gen, gen.waited)
    return fail(message, "REFUSED", { gone = gone })
  end
  local result = {
    generation = gen.number, modules = names_of(gen), removed = {}, gone = gone,
    warnings = set.warnings, unknown = unknown, dry = options.dry or nil,
  }
  for _, path in ipairs(sorted_keys(old.units)) do
    if not gen.units[path] then
      result.removed[#result.removed + 1] = generation.short(server, path)
    end
  end
  for _, path in ipairs(sorted_keys(old.units)) do
    local unit = old.units[path]
    result.warnings[#result.warnings + 1] = gen.units[path] ~= unit and dropped.lost(unit) or nil
  end
  if options.dry then
    generation.give_up(gen, gen.waited)
    return result
  end
  swap(server, old, gen)
  result.running = census.running(server).calls
  return result
end

---A result in a sentence.
---@param result table of a reload
---@return string
function reload.told(result)
  local parts = {}
  if #result.modules > 0 then parts[1] = table.concat(result.modules, ", ") end
  if #result.removed > 0 then parts[#parts + 1] = "gone: " .. table.concat(result.removed, ", ") end
  if result.unknown and #result.unknown > 0 then
    parts[#parts + 1] = "not here: " .. table.concat(result.unknown, ", ")
  end
  if #result.modules + #result.removed == 0 then parts[#parts + 1] = "nothing has changed" end
  local running = result.running or 0
  return ("%sgeneration %d: %s%s"):format(result.dry and "would be " or "", result.generation,
    table.concat(parts, "; "), running > 0
      and (" (%d call%s of old generations still running)")
        :format(running, running == 1 and "" or "s") or "")
end

local function tell(server, result)
  server:info_line("reload: " .. reload.told(result))
  for _, text in ipairs(result.warnings) do server:warn(text) end
  if #result.gone > 0 then
    server:warn("reload: routes that are gone: " .. table.concat(result.gone, ", "))
  end
end

local next_one

local function done(server, item, result, err)
  server.live.running, server.live.preparing = nil, nil
  if err then
    server:error("reload: refused, generation " .. server.generation.number .. " stays: "
      .. err.message)
  elseif not result.dry and (#result.modules > 0 or #result.removed > 0) then
    tell(server, result)
  end
  if item.cb then
    task.run(server, server:context("callback of reload"), item.cb, err, result)
  end
  next_one(server)
end

function next_one(server)
  if server.live.running then return end
  local item = table.remove(server.live.reloads, 1)
  if not item then return end
  server.live.running = item
  local ended = false
  local owner = { name = "reload", level = "debug", generation = server.generation }
  function owner.failed(_, err)
    if ended then return end
    ended = true
    local gen = server.live.preparing
    if gen and gen.state == "prepared" then generation.give_up(gen, true) end
    done(server, item, nil, errors.of(err))
  end
  task.run(server, owner, function()
    local result, err = run(server, item.options)
    ended = true
    done(server, item, result, err)
  end)
end

---Loads what has changed and puts it into force. One reload runs at a time; the others
---wait their turn. Files that have not changed are left alone.
---@param server table
---@param options table|nil modules: names of those to reload, changed or not, and no
---others ("chat.chatHandler", "app.util.check", "app/util/check.lua"); force: also when
---routes would be lost; dry: everything but the swap; cb: function(err, result).
---result: generation (number), modules (what was loaded), removed (units that are no
---more), gone (lost routes), warnings, unknown (modules that this server does not have),
---running (calls of old generations). err.code: "IO", "SYNTAX", "LOAD" or "REFUSED"
function reload.start(server, options)
  options = options or {}
  local state = server.life.state
  if state ~= "started" and state ~= "loaded" then
    local err = errors.new("the server is " .. state .. ": nothing is reloaded now", "STATE")
    if options.cb then
      task.defer(server, server:context("callback of reload"), options.cb, err)
    end
    return
  end
  table.insert(server.live.reloads, { options = options, cb = options.cb })
  next_one(server)
end

return reload
