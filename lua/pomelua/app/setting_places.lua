-- setting_places: where the game sets each group of settings, so that an error about one of them
-- names the file and the line.
local files = require "pomelua.base.files"
local where = require "pomelua.base.where"

local setting_places = {}

local LINES = 60 -- that a table of settings may be long

---The part of a server that belongs to this file.
---@param server pomelua.Server
function setting_places.init(server)
  server.setting_places = {} -- [group] = "file:line" of the app:set that counts
end

---The game sets a group now.
---@param server pomelua.Server
---@param group string
function setting_places.note(server, group) server.setting_places[group] = where.now() end

---An error about "group.key: ..." with the line where the game sets it; any other text as it is.
---@param server pomelua.Server
---@param text string
---@return string
function setting_places.named(server, text)
  local group, key = text:match("^([%w_]+)%.?([%w_]*)[^%s:]*: ")
  local place = group and server.setting_places[group]
  if not place then return text end
  local file, line = place:match("^(.*):(%d+)$")
  local content = file and key ~= "" and files.read(server.base .. "/" .. file)
  local number = 0
  for one in (content or ""):gmatch("([^\n]*)\n?") do
    number = number + 1
    if number >= tonumber(line) + LINES then break end
    if number >= tonumber(line) and one:find("%f[%w_]" .. key .. "%f[^%w_]") then
      return ("%s:%d: %s"):format(file, number, text)
    end
  end
  return place .. ": " .. text
end

return setting_places
