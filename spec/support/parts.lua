-- One app as several processes over a broker (spec/support/broker), each of which runs a part of
-- the servers.
--
--   local game = parts.new(probe.files(), { urls = { broker.url } })
--   local front = game:start("connector-1", "gate-1")      -- waits for `ready`
--   local port = front.ports["connector-1"]
--   front:stop()         ends well, and said nothing wrong; or front:kill()
--   front:freeze() front:thaw()
--   game:close()         in after_each: ends all that run, and removes the folder
--
-- The heartbeat is 0.1 s and the timeout 0.6 s, unless `bus` says otherwise.
local app = require "spec.support.app"
local cjson = require "cjson"
local net = require "spec.support.net"
local tree = require "spec.support.tree"

local parts = {}

local Game, Part = {}, {}
Game.__index, Part.__index = Game, Part

---@param files table<string, string> texts by path
---@param bus table of config/bus.json: urls, …
---@return table game dir
function parts.new(files, bus)
  local given, all = { heartbeat = 0.1, timeout = 0.6 }, {}
  for key, value in pairs(bus) do given[key] = value end
  for path, text in pairs(files) do all[path] = text end
  all["config/bus.json"] = cjson.encode(given)
  return setmetatable({ dir = tree.new(all), running = {} }, Game)
end

---Starts a process with these servers, and does not wait for it.
---@param ... string ids; none: all of the app
---@return table part process
function Game:launch(...)
  return self:launch_with(select("#", ...) > 0 and { "--only", table.concat({ ... }, ",") } or {})
end

---The same with these arguments.
---@param args string[]
---@param env table<string, string>? variables to add
---@return table part
function Game:launch_with(args, env)
  local all = { "start", self.dir }
  for _, arg in ipairs(args) do all[#all + 1] = arg end
  local part = setmetatable({ game = self, ports = {}, args = args }, Part)
  part.process = net.spawn(net.built("pomelua"), all, { env = env })
  -- One that is frozen does not hear SIGTERM before it runs again.
  part.process.close = function(process)
    part:thaw()
    getmetatable(process).close(process)
  end
  self.running[part] = true
  return part
end

---Starts a process with these servers, and waits until it says `ready`.
---@param ... string ids; none: all of the app
---@return table part process, ports by server id
function Game:start(...) return self:launch(...):ready() end

---Waits until it says `ready`.
---@return table part
function Part:ready()
  assert(self.process:waitLine("^ready$", app.patience))
  for id, port in self.process.out:gmatch("([^\n ]+) listening on [^\n]-:(%d+)\n") do
    self.ports[id] = tonumber(port)
  end
  return self
end

---Waits for a line of its log.
---@param pattern string
---@return string capture
function Part:says(pattern) return assert(self.process:waitErr(pattern, app.patience)) end

---Waits for its end.
---@return integer status
---@return string err all of its log
function Part:ends()
  local code = assert(self.process:waitExit(app.patience))
  self.game.running[self] = nil
  return code, self.process.err
end

---Ends it with SIGTERM and asserts that it ended well: as app.start's server.
---@param patterns string[]?
function Part:stop(patterns)
  if not self.game.running[self] then return end
  self:thaw()
  self.process:kill("sigterm")
  local code, err = self:ends()
  local list = app.complaints(err, patterns or {})
  assert(code == 0, ("status %s\n%s"):format(code, err:sub(-4000)))
  assert(#list == 0, "it complained:\n" .. table.concat(list, "\n"))
end

---Ends it with SIGKILL.
function Part:kill()
  self.process:kill("sigkill")
  self.process:waitExit(app.patience)
  self.game.running[self] = nil
end

---SIGSTOP: its connections stay, and nothing is answered.
function Part:freeze()
  self.frozen = true
  self.process:freeze()
end

---SIGCONT.
function Part:thaw()
  if not self.frozen then return end
  self.frozen = nil
  self.process:kill("sigcont")
end

---Ends those that run, with SIGKILL; removes the folder.
function Game:close()
  for part in pairs(self.running) do part.process:kill("sigkill") end
  for part in pairs(self.running) do part.process:close() end
  self.running = {}
  tree.remove(self.dir)
end

return parts
