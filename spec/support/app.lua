-- An app in a temporary folder, run by the program under test.
--
--   local app = require "spec.support.app"
--   local server = app.start { ["app.lua"] = …, ["config/servers.json"] = …, … }
--   local port = server.ports["connector-1"]
--   server:stop()        in teardown: ends well, and said nothing wrong
--
-- Frontends whose clientPort is 0 get free ports; the program tells which.

local net = require "spec.support.net"
local tree = require "spec.support.tree"

local app = {
  -- Milliseconds for starting and stopping on a busy machine.
  patience = 20000,
}

local Server = {}
Server.__index = Server

-- In front of app.lua, in its first line, under POMELUA_GC (spec/helper).
local COLLECT = os.getenv("POMELUA_GC") == "on"
  and 'collectgarbage("setpause", 0) collectgarbage("setstepmul", 1000) ' or ""

---Starts `pomelua start DIR` and waits for `ready`.
---@param files table<string, string> texts by path
---@param opts table? args: more arguments; env: more variables; prepare: called with the folder
---@return table server dir, ports by server id, process
function app.start(files, opts)
  opts = opts or {}
  local given = {}
  for path, text in pairs(files) do given[path] = path == "app.lua" and COLLECT .. text or text end
  local dir = tree.new(given)
  if opts.prepare then opts.prepare(dir) end
  local args = { "start", dir }
  for _, arg in ipairs(opts.args or {}) do args[#args + 1] = arg end
  local self = setmetatable({ dir = dir, ports = {} }, Server)
  self.process = net.spawn(net.built("pomelua"), args, { env = opts.env })
  local ok, message = self.process:waitLine("^ready$", app.patience)
  if not ok then
    net.closeAll()
    tree.remove(dir)
    error(message, 2)
  end
  for id, port in self.process.out:gmatch("([^\n ]+) listening on [^\n]-:(%d+)\n") do
    self.ports[id] = tonumber(port)
  end
  return self
end

local function expected(line, patterns)
  for _, pattern in ipairs(patterns) do if line:find(pattern) then return true end end
  return false
end

---What a program's standard error holds that a good run does not: errors, and whatever is
---no line of the log, a sanitizer's report for one.
---@param err string
---@param patterns string[] what is expected
---@return string[] lines
function app.complaints(err, patterns)
  local entries, list = {}, {}
  for line in err:gmatch("[^\n]+") do
    local n = #entries
    if line:find("^  ") and n > 0 then -- belongs to the line before
      entries[n] = entries[n] .. "\n" .. line
    else
      entries[n + 1] = line
    end
  end
  for _, entry in ipairs(entries) do
    local good = entry:find("^%S+Z %l+%s+%S+ ") and not entry:find("^%S+ error ")
    if not good and not expected(entry, patterns) then list[#list + 1] = entry end
  end
  return list
end

---As app.complaints, of its own standard error.
---@param patterns string[]
---@return string[] lines
function Server:complaints(patterns) return app.complaints(self.process.err, patterns) end

---Sends SIGTERM, once.
function Server:terminate()
  if self.terminated then return end
  self.terminated = true
  self.process:kill("sigterm")
end

---What a spec that leaves requests unanswered says of its end: they are cut, and the status is 1.
app.CUT = "had to be cut"

---Ends it with SIGINT, by which all clients are told at the same time, unless it has been told to
---end by SIGTERM, and asserts that it ended well: status 0, and no error in the
---log but those that match one of `patterns`; app.CUT among them stands for status 1.
---Everything else that the spec has open is closed as well, so that a failure here leaves
---nothing behind.
---@param patterns string[]?
function Server:stop(patterns)
  if self.stopped then return end
  self.stopped = true
  if not self.terminated then self.process:kill("sigint") end
  local code, signal = self.process:waitExit(app.patience)
  local list = self:complaints(patterns or {})
  local cut = expected(app.CUT, patterns or {})
    and self.process.err:find(" pomelua stopped, but this " .. app.CUT, 1, true)
  net.closeAll()
  tree.remove(self.dir)
  assert(code == (cut and 1 or 0), ("status %s, signal %s\n%s"):format(
    tostring(code), tostring(signal), self.process.err:sub(-4000)))
  assert(#list == 0, "it complained:\n" .. table.concat(list, "\n"))
end

return app
