-- watcher: in development, watches the folders of an app and reloads files that are saved: 50 ms
-- after the last event, at most 250 ms after the first. An event means only that it is time to
-- look: the files are read to find what has changed. The system does not report every folder that
-- comes or goes and every link that changes; so all folders are watched anew after each look, and
-- the stamps of the files are compared every two seconds.
local core = require "pomelua.core"
local generation = require "pomelua.live.generation"
local reload = require "pomelua.live.reload"
local sources = require "pomelua.live.sources"
local timers = require "pomelua.run.timers"

local watcher = {}

local QUIET, PATIENCE = 50, 250 -- ms
local POLL = 2000

local soon

-- Whether a changed name can be a file or folder of the app: temporary files of editors are not.
local function matters(server, name)
  if not name or name:find("%.[lL][uU][aA]$") or not name:find("[.~]") then return true end
  for path in pairs(server.live.config) do
    if path:sub(-#name - 1) == "/" .. name then return true end
  end
  return false
end

local function arm(self)
  local server, before = self.server, self.watches
  local ids, failed = {}, nil
  self.stamps = {}
  sources.each(server, generation.texts(server.generation) or {}, function(path)
    self.stamps[path] = core.stamp(path) or ""
  end, function(folder)
    local id, message, name = server.node:watch(folder, function(changed)
      if matters(server, changed) then soon(self) end
    end)
    if id then
      ids[#ids + 1] = id
    elseif name ~= "NOENT" then
      failed = message
    end
  end)
  self.watches = ids
  -- After the new ones: what happens between is seen by one of them.
  for _, id in ipairs(before) do server.node:unwatch(id) end
  if failed and not self.told then
    self.told = true
    server:warn(failed .. ": changes are seen every " .. POLL .. " ms only")
  end
end

local function look(self)
  local server = self.server
  if self.timer then timers.stop(server, self.timer) end
  self.timer, self.first, self.last = nil, nil, nil
  if self.stopped then return end
  if self.running then
    self.again = true
    return
  end
  self.running = true
  arm(self)
  reload.start(server, { cb = function()
    self.running = false
    if self.again then
      self.again = false
      soon(self)
    end
  end })
end

local function wait(self)
  local now = self.server.node:now()
  local due = math.min(self.last + QUIET, self.first + PATIENCE)
  if due <= now then return look(self) end
  self.timer = timers.start(self.server, due - now, { fire = function() wait(self) end })
end

function soon(self)
  if self.stopped then return end
  self.last = self.server.node:now()
  if not self.first then
    self.first = self.last
    wait(self)
  end
end

local function differs(self)
  local seen, other = {}, false
  sources.each(self.server, generation.texts(self.server.generation) or {}, function(path)
    seen[path] = true
    if self.stamps[path] ~= (core.stamp(path) or "") then other = true end
  end)
  for path in pairs(self.stamps) do
    if not seen[path] then other = true end
  end
  return other
end

local function poll(self)
  if self.stopped then return end
  if not self.first and not self.running and differs(self) then soon(self) end
  self.poller = timers.start(self.server, POLL, { fire = function() poll(self) end })
end

---Begins to watch, when the app wants that: in development, unless serverConfig.reload is
---false; else when it is true.
---@param server table
function watcher.start(server)
  local wanted = server.checked.reload
  if wanted == nil then wanted = server.env == "development" end
  if not wanted or server.live.watcher then return end
  local self = { server = server, watches = {}, stamps = {} }
  server.live.watcher = self
  arm(self)
  soon(self) -- what was saved while the server started
  poll(self)
end

---@param server table
function watcher.stop(server)
  local self = server.live.watcher
  if not self then return end
  self.stopped = true
  for _, record in ipairs { self.timer or {}, self.poller or {} } do
    timers.stop(server, record)
  end
  for _, id in ipairs(self.watches) do server.node:unwatch(id) end
  self.watches = {}
end

return watcher
