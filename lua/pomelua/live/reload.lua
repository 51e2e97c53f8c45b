-- reload: new code comes into force while messages arrive, in five steps:
--
--   plan     the files are read; which units have to be loaded anew
--   prepare  they are loaded beside the running code, as a new generation
--   check    the files are Lua, no route is lost, each file's __check agrees
--   swap     states migrate and the new generation is in force, all between two messages
--   report   the log and the caller are told
--
-- A step that fails before the swap changes nothing; the error has its file and line. One reload
-- runs at a time.
local current = require "pomelua.base.current"
local census = require "pomelua.live.census"
local check = require "pomelua.live.check"
local dropped = require "pomelua.live.dropped"
local errors = require "pomelua.base.errors"
local generation = require "pomelua.live.generation"
local loader = require "pomelua.live.loader"
local plan = require "pomelua.live.plan"
local setting_files = require "pomelua.run.setting_files"
local sources = require "pomelua.live.sources"
local swap = require "pomelua.live.swap"
local tables = require "pomelua.base.tables"
local task = require "pomelua.run.task"

local reload = {}

-- Loads the new generation: files of every kind, and the modules that the old generation has
-- loaded, so that a mistake in one of them is found now.
local function load_all(gen, dirty)
  local set, message = loader.load(gen)
  if not set then return nil, message end
  for _, path in ipairs(tables.sorted_keys(dirty)) do
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

-- Whether the new generation has other units than the old one.
local function affects(old, gen)
  for path, unit in pairs(old.units) do
    if gen.units[path] ~= unit then return true end
  end
  return #gen.fresh > 0
end

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

local function result_of(server, old, gen, options)
  local result = {
    generation = gen.number, modules = names_of(gen), removed = {}, warnings = gen.set.warnings,
    dry = options.dry or nil,
  }
  for _, path in ipairs(tables.sorted_keys(old.units)) do
    local unit = old.units[path]
    if not gen.units[path] then
      result.removed[#result.removed + 1] = generation.short(server, path)
    end
    if gen.units[path] ~= unit then
      result.warnings[#result.warnings + 1] = dropped.lost(unit)
    end
  end
  return result
end

-- In a task of its own. Returns a result, or nil and an error.
local function run(server, options)
  local old = server.generation
  local texts, message = sources.read(server, old.sources or {})
  if not texts then return fail(message, "IO") end
  plan.keep_unwritten(server, old.sources or {}, texts)
  local changed, unknown
  if options.modules and #options.modules > 0 then
    changed, texts, unknown = plan.only_named(server, old, texts, options.modules)
  else
    changed = plan.differing(old.sources or {}, texts)
  end
  if not next(changed) then return nothing(old, unknown) end
  local ok
  ok, message = check.parse(server, changed, texts)
  if not ok then return fail(message, "SYNTAX") end
  local dirty = plan.dependents(server, old, texts, changed)
  local gen
  gen, message = prepare(server, old, texts, dirty)
  if not gen then return fail(message, "LOAD") end
  if not affects(old, gen) then
    generation.give_up(gen, gen.waited)
    old.sources = texts
    return nothing(old, unknown)
  end
  local gone
  ok, message, gone = check.agrees(server, gen, options)
  if ok and not options.dry then ok, message = swap.migrate(server, old, gen) end
  if not ok then
    generation.give_up(gen, gen.waited)
    return fail(message, "REFUSED", { gone = gone })
  end
  local result = result_of(server, old, gen, options)
  result.gone, result.unknown = gone, unknown
  if options.dry then
    generation.give_up(gen, gen.waited)
    return result
  end
  swap.to(server, old, gen)
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
  local others = #(result.files or {}) + #(result.stays or {})
  if #result.modules + #result.removed + others == 0 then
    parts[#parts + 1] = "nothing has changed"
  end
  for _, name in ipairs(result.files or {}) do parts[#parts + 1] = name .. ": read again" end
  for _, text in ipairs(result.stays or {}) do parts[#parts + 1] = text end
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
  if result and item.stays then
    for _, text in ipairs(item.stays) do
      result.warnings[#result.warnings + 1] = text -- it has been logged
    end
    result.stays, result.files = item.stays, item.files
  end
  -- Not at once: what the files have put off while they were put into force comes before.
  if item.cb then
    task.defer(server, server:context("callback of reload"), item.cb, err, result)
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
    local options = item.options
    if not options.dry and #(options.modules or {}) == 0 then
      item.stays, item.files = setting_files.look(server)
    end
    local result, err = run(server, options)
    ended = true
    done(server, item, result, err)
  end)
end

---Loads what has changed and puts it into force; the files that settings name are read again, too,
---when no modules are named. One reload runs at a time; the others
---wait their turn. Files that have not changed are left alone.
---@param server table
---@param options table|nil modules: names of those to reload, changed or not, and no
---others ("chat.chatHandler", "app.util.check", "app/util/check.lua"); force: also when
---routes would be lost; dry: everything but the swap; cb: function(err, result).
---result: generation (number), modules (what was loaded), removed (units that are no
---more), gone (lost routes), warnings, unknown (modules that this server does not have),
---running (calls of old generations), files (of settings, that were read again), stays (what could
---not be read, in words). err.code: "IO", "SYNTAX", "LOAD" or "REFUSED"
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
