-- setting_files: files that a setting names, such as keys and certificates, are read again when
-- they change: less than two seconds after the last change, and at once with `pomelua reload`. What
-- cannot be read leaves what was read before in force.
local core = require "pomelua.core"
local timers = require "pomelua.run.timers"

local setting_files = {}

-- ms between two looks. A file that was replaced is read when the look after finds it the same: a
-- pair of files is mostly written one after the other.
local LOOK = 500

---@class pomelua.SettingFiles
---@field what string what log lines call them: "connectorConfig.auth.keys"
---@field paths string[] absolute
---@field read fun(): string|nil reads them all and puts what it has read into force, or changes
---nothing and says what is wrong, with the file
---@field seen table<string, string>|nil of this file: what was last read
---@field before string|nil of this file: how they looked the last time
---@field failed boolean|nil of this file: whether the last read has failed

---The part of a server that belongs to this file.
function setting_files.init(server)
  server.setting_files = { list = {}, timer = nil }
end

local function stamp_of(entry)
  local stamps = {}
  for i, path in ipairs(entry.paths) do stamps[i] = core.stamp(path) or "gone" end
  return table.concat(stamps, "; ")
end

---An entry has other files from now on, which its `read` has just read.
---@param entry pomelua.SettingFiles
---@param paths string[] absolute
function setting_files.follow(entry, paths)
  if table.concat(paths, "\n") == table.concat(entry.paths, "\n") then return end
  entry.paths = paths
  entry.seen = stamp_of(entry)
  entry.before = entry.seen
end

-- Reads the files of an entry; gives what is wrong.
local function read(server, entry, stamp)
  entry.seen, entry.before = stamp, stamp
  local message = entry.read()
  entry.failed = message ~= nil
  if not message then
    server:info_line(entry.what .. ": read again")
    return nil
  end
  message = ("%s: %s; what was read before stays in force"):format(entry.what, message)
  server:warn(message)
  return message
end

local function wait(server)
  local own = server.setting_files
  own.timer = timers.start(server, LOOK, { of_framework = true, fire = function()
    for _, entry in ipairs(own.list) do
      local now = stamp_of(entry)
      if now ~= entry.seen and now == entry.before then read(server, entry, now) end
      entry.before = now
    end
    wait(server)
  end })
end

---Files that are watched from now on, and that the caller reads next.
---@param server table
---@param entry pomelua.SettingFiles
function setting_files.add(server, entry)
  local own = server.setting_files
  entry.seen = stamp_of(entry)
  entry.before = entry.seen
  own.list[#own.list + 1] = entry
  if #entry.paths > 0 and not own.timer then wait(server) end
end

---Reads at once what has changed since it was read, or could not be read: for a reload.
---@param server table
---@return string[] messages of what stays as it was
---@return string[] names of what was read
function setting_files.look(server)
  local messages, names = {}, {}
  for _, entry in ipairs(server.setting_files.list) do
    local now = stamp_of(entry)
    if now ~= entry.seen or entry.failed then
      local message = read(server, entry, now)
      table.insert(message and messages or names, message or entry.what)
    end
  end
  return messages, names
end

return setting_files
