-- place: where a program writes, and where tools find it.
--
--   state    --state DIR, else the first folder of $STATE_DIRECTORY, else .pomelua/ of the app's
--            folder: bans.json
--   socket   PID.sock in the first folder of $RUNTIME_DIRECTORY, else in the state folder. A socket
--            that is elsewhere gets a link in the state folder, so that who knows the one finds the
--            other
--
-- When the app's folder was named by a link, as in /srv/game/current, and the link is set to the
-- next release, what is in .pomelua/ moves with it: the socket gets one more name there, so that a
-- tool which is told the same name finds the same program.
local core = require "pomelua.core"
local files = require "pomelua.base.files"

local place = {}

local methods = {}
local mt = { __index = methods }

local function socket(folder) return ("%s/%d.sock"):format(folder, core.pid()) end

-- The first folder of a variable that may hold several, as systemd sets them.
local function of_variable(name)
  local value = os.getenv(name)
  return value and value:match("^[^:]+") -- nil for an empty one
end

-- A folder that a person or systemd has named. Who is about to write makes it, for this user alone.
local function named(path, what, make)
  if make then files.make_private(path) end
  local real = files.absolute(path)
  if real and files.is_folder(real) then return real end
  return nil, ("%s: there is no folder %s%s"):format(what, path,
    make and ", and it cannot be made" or "")
end

---The folder for what a program writes.
---@param base string the app's folder
---@param option string|nil of --state
---@param make boolean|nil whether a named folder that is not there is made
---@return string|nil folder absolute; .pomelua/ of the app's folder may not be there yet
---@return string message when folder is nil; else what it comes from: "--state", "STATE_DIRECTORY"
---or "app"
function place.state(base, option, make)
  local variable = of_variable("STATE_DIRECTORY")
  local what = option and "--state" or variable and "STATE_DIRECTORY" or "app"
  if what == "app" then return files.absolute(base) .. "/.pomelua", what end
  local folder, message = named(option or variable, what, make)
  return folder, folder and what or message
end

---The folder in which the paths of a game's own data begin: the state folder, when one is named;
---else the app's.
---@param base string the app's folder
---@param option string|nil of --state
---@param make boolean|nil as of state
---@return string|nil folder
---@return string|nil message
function place.data(base, option, make)
  local folder, what = place.state(base, option, make)
  if not folder then return nil, what end
  return what == "app" and base or folder
end

---The folders in which the sockets of an app's programs may be.
---@param base string the app's folder
---@param option string|nil of --state
---@return string[]|nil folders
---@return string|nil message
function place.look(base, option)
  local folders, runtime = {}, of_variable("RUNTIME_DIRECTORY")
  if runtime then folders[1] = files.absolute(runtime) end
  local state, message = place.state(base, option)
  if not state then return nil, message end
  folders[#folders + 1] = state
  return folders
end

---@class pomelua.Place
---@field state string the folder for what is written
---@field names string[] of the socket; the first one is the program's to open and to remove
---@field moves boolean whether a link is in the name of the app's folder, which decides

---@param base string the app's folder, as it was named
---@param option string|nil of --state
---@return pomelua.Place|nil place
---@return string|nil message
function place.new(base, option)
  local at = files.absolute(base)
  local state, what = place.state(base, option, true)
  if not state then return nil, what end
  local self = setmetatable({
    base = base, at = at, state = state, moves = what == "app" and at ~= base, names = {},
  }, mt)
  local runtime = of_variable("RUNTIME_DIRECTORY")
  if runtime then
    runtime, what = named(runtime, "RUNTIME_DIRECTORY", true)
    if not runtime then return nil, what end
  end
  self.names[1] = socket(runtime or state)
  self.elsewhere = runtime ~= nil and runtime ~= state
  return self
end

---The socket is open: what else leads to it.
---@param warn fun(text: string)
function methods:open(warn)
  if not self.elsewhere then return end
  local name = socket(self.state)
  files.make_private(self.state)
  os.remove(name) -- the number is this process's
  local done, message = files.symlink(self.names[1], name)
  if done then
    self.names[2] = name
  else
    warn(("tools that are told --state %s do not find this program: %s"):format(self.state,
      message))
  end
end

---Looks whether the name of the app's folder leads elsewhere now.
---@param warn fun(text: string)
---@return string|nil state the new state folder, when it does
function methods:follow(warn)
  local at = self.moves and files.absolute(self.base)
  if not at or at == self.at then return end
  self.at, self.state = at, at .. "/.pomelua"
  local name, done, message = socket(self.state), false, "there is no socket"
  files.make_private(self.state)
  for _, known in ipairs(self.names) do
    if known == name and files.exists(name) then return self.state end
  end
  os.remove(name) -- the number is this process's: what lies there came with a copy
  for i = #self.names, 1, -1 do
    if not done then
      local way = self.elsewhere and files.symlink or files.link
      done, message = way(self.names[self.elsewhere and 1 or i], name)
    end
  end
  if done then
    self.names[#self.names + 1] = name
  else
    warn(("%s leads to %s now, where the tools do not find this program: %s"):format(
      self.base, at, message))
  end
  return self.state
end

---At the end: the first name is the program's to remove.
function methods:leave()
  for i = 2, #self.names do os.remove(self.names[i]) end
end

return place
