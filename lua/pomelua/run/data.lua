-- data: JSON files of a game that its scripts read: pomelua.data. A table is filled anew when
-- its file changes, so a script that keeps the table sees the new values. A file that cannot be
-- read leaves the table as it is.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local json_file = require "pomelua.base.json_file"
local timers = require "pomelua.run.timers"

local data = {}

local LOOK = 1000 -- ms between two looks at the files

---The part of a server that belongs to this file.
function data.init(server)
  server.data = {
    by_path = {}, -- [path] = {value=, stamp=}
    timer = nil, -- until the next look
  }
end

local function read(server, path)
  local value, message = json_file.read(server.base, path)
  if value == nil then
    return nil, message or path .. ": there is no such file in the app's folder"
  end
  if type(value) ~= "table" then
    return nil, ("%s: must be a JSON object or an array, got a %s"):format(path, type(value))
  end
  return value
end

local function stamp(server, path) return core.stamp(server.base .. "/" .. path) or "gone" end

-- Fills the same table, so that every script that keeps it has the new contents.
local function fill(t, value)
  for key in pairs(t) do t[key] = nil end
  for key, one in pairs(value) do t[key] = one end
  setmetatable(t, getmetatable(value)) -- the mark of an empty array
end

local function look_at(server, path, entry)
  local now = stamp(server, path)
  if now == entry.stamp then return end
  entry.stamp = now
  local value, message = read(server, path)
  if value then
    fill(entry.value, value)
    server:info_line(path .. ": read again")
  else
    server:warn(message .. "; the old content stays in force")
  end
end

---Reads again what has changed.
---@param server table
function data.look(server)
  for path, entry in pairs(server.data.by_path) do look_at(server, path, entry) end
end

local function wait(server)
  server.data.timer = timers.start(server, LOOK, { of_framework = true, fire = function()
    data.look(server)
    wait(server)
  end })
end

---The contents of a file, the same table each time. Raises when it cannot be read.
---@param server table
---@param path string from the app's folder
---@return table
function data.of(server, path)
  if type(path) ~= "string" or path == "" or path:sub(1, 1) == "/" then
    errors.raise("pomelua.data(path): path must be a string, from the app's folder on, such as"
      .. ' "config/data/items.json"')
  end
  if path:find("\0", 1, true) then
    errors.raise(("pomelua.data(path): %q holds a NUL character, as no file's name does")
      :format(path))
  end
  path = ("/" .. path .. "/"):gsub("/%./", "/"):gsub("/%./", "/"):gsub("//+", "/"):sub(2, -2)
  local entry = server.data.by_path[path]
  if entry then
    -- A spec sees what it has just written.
    if server.virtual then look_at(server, path, entry) end
    return entry.value
  end
  entry = { stamp = stamp(server, path) }
  local message
  entry.value, message = read(server, path)
  if not entry.value then errors.raise("pomelua.data: " .. message) end
  server.data.by_path[path] = entry
  if not server.data.timer then wait(server) end
  return entry.value
end

return data
