-- versions: whether the servers of a cluster agree on the route dictionary and on the definitions
-- of protobuf. During a rolling upgrade they do not, for a while: a difference that lasts is one
-- warning.
local tables = require "pomelua.base.tables"

local versions = {}

local LASTS = 60000 -- ms
local KINDS = { dictionary = "route dictionaries", protos = "protobuf definitions" }
local SHOWN = 8 -- letters of a version
local NAMED = 3 -- servers of each version

local methods = {}
local mt = { __index = methods }

---@param warn fun(text: string)
---@param now fun(): number milliseconds of a clock that does not jump
function versions.new(warn, now)
  return setmetatable({ warn = warn, now = now, by_id = {}, since = {}, said = {} }, mt)
end

-- The ids of the servers that use one of a kind, by its version.
local function groups(self, kind)
  local by_version, count = {}, 0
  for _, id in ipairs(tables.sorted_keys(self.by_id)) do
    local version = self.by_id[id][kind]
    if type(version) == "string" then
      if not by_version[version] then by_version[version], count = {}, count + 1 end
      table.insert(by_version[version], id)
    end
  end
  return by_version, count
end

local function told(by_version)
  local parts = {}
  for _, version in ipairs(tables.sorted_keys(by_version)) do
    local ids = by_version[version]
    local names = table.concat(ids, ", ", 1, math.min(#ids, NAMED))
    if #ids > NAMED then names = ("%s and %d more"):format(names, #ids - NAMED) end
    parts[#parts + 1] = ("%s at %s"):format(version:sub(1, SHOWN), names)
  end
  return table.concat(parts, ", ")
end

---What one server uses; nil: it is gone.
---@param id string
---@param used table|nil dictionary, protos: texts
function methods:set(id, used)
  self.by_id[id] = used
  for kind in pairs(KINDS) do
    local _, count = groups(self, kind)
    if count < 2 then
      self.since[kind], self.said[kind] = nil, nil
    else
      self.since[kind] = self.since[kind] or self.now()
    end
  end
end

---Whether a difference is there that has not been told of.
---@return boolean
function methods:waits()
  for kind in pairs(self.since) do
    if not self.said[kind] then return true end
  end
  return false
end

---Warns of what has lasted.
function methods:tick()
  for kind, since in pairs(self.since) do
    if not self.said[kind] and self.now() - since >= LASTS then
      self.said[kind] = true
      self.warn(("the %s of the servers have differed for a minute: %s; clients get those of their "
        .. "frontend (docs/cluster.md)"):format(KINDS[kind], told(groups(self, kind))))
    end
  end
end

return versions
