-- elsewhere: the servers of other processes that are up, as the bus tells of them.
local json = require "pomelua.base.json"

local elsewhere = {}

local methods = {}
local mt = { __index = methods }

local OURS = "pomelua" -- see app/announced

---@class pomelua.Elsewhere
---@field id string
---@field incarnation number of its life; a later life of an id has a higher one
---@field process string the name of its process on the bus
---@field host string
---@field pid number
---@field info string JSON, of app/announced
---@field entry table of servers.json, with its serverType
---@field versions table dictionary, protos: texts, of those that it uses

function elsewhere.new() return setmetatable({ by_id = {} }, mt) end

---What a server announces (app/announced).
---@param id string
---@param info string JSON
---@return table|nil entry of servers.json; nil: no program of ours has sent this
---@return table|nil versions of its dictionary and protos
function elsewhere.read(id, info)
  local entry = json.decode(info)
  if type(entry) ~= "table" or type(entry.serverType) ~= "string" then return nil end
  local versions = entry[OURS]
  entry[OURS], entry.id = nil, id
  return entry, type(versions) == "table" and versions or {}
end

---What has happened to one; news of an earlier life of its id do not count.
---@param state "up"|"leaving"|"down"
---@param other pomelua.Elsewhere
---@return pomelua.Elsewhere|nil came it is up, perhaps with another entry than before
---@return pomelua.Elsewhere|nil went it is gone
function methods:changed(state, other)
  local known = self.by_id[other.id]
  if known and known.incarnation > other.incarnation then return end
  if state == "down" then
    self.by_id[other.id] = nil
    return nil, known
  end
  local same = known and known.incarnation == other.incarnation
  if same and state == "leaving" then return end -- it has told every server itself
  local before = same and known.info
  other.entry, other.versions = elsewhere.read(other.id, other.info)
  if not other.entry then return end
  self.by_id[other.id] = other
  if before ~= other.info then return other end
end

---@return pomelua.Elsewhere|nil
function methods:find(id) return self.by_id[id] end

---The ids, in alphabetic order.
---@return string[]
function methods:ids()
  local ids = {}
  for id in pairs(self.by_id) do ids[#ids + 1] = id end
  table.sort(ids)
  return ids
end

---@return table[] entries of servers.json, by id
function methods:entries()
  local list = {}
  for i, id in ipairs(self:ids()) do list[i] = self.by_id[id].entry end
  return list
end

return elsewhere
