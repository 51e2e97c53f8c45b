-- plan: what a reload has to load: the files that have changed, and every unit that requires one of
-- them, directly or through others.
local files = require "pomelua.base.files"
local generation = require "pomelua.live.generation"
local tables = require "pomelua.base.tables"
local timers = require "pomelua.run.timers"

local plan = {}

local UNWRITTEN_MS = 2000 -- for an editor to write what it has emptied

---The files whose texts differ.
---@param old table<string, string> texts by path
---@param new table<string, string>
---@return table<string, true> changed
function plan.differing(old, new)
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

---The named modules, and no others, are taken as changed.
---@param old pomelua.Generation
---@param texts table<string, string> as they are now
---@param names string[]
---@return table<string, true> changed
---@return table<string, string> texts those of the named ones are new, the others are the old ones
---@return string[] unknown names of no module of this server
function plan.only_named(server, old, texts, names)
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

---The units that have to be loaded anew: every unit whose file has changed, every unit that
---requires one of them, and so on.
---@return table<string, true> dirty by path
function plan.dependents(server, old, texts, changed)
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
  local queue = tables.sorted_keys(dirty)
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

---Editors empty a file before they write it: in development an empty file is not yet a module, and
---its previous content, if it had one, stays in force until it has text.
---@param old table<string, string> texts by path
---@param texts table<string, string> is changed
function plan.keep_unwritten(server, old, texts)
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

return plan
