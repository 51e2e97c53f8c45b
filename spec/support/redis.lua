-- A real redis-server for a spec, on a free port of 127.0.0.1, in a folder of its own.
--
--   local redis = require "spec.support.redis"
--   local one = redis.start()
--   one.url                       -- redis://127.0.0.1:PORT
--   one:cli("SET", "key", "v")    -- by a connection of the spec's own: the answer as bytes
--   one:freeze() one:thaw() one:kill() one:restart()   -- restart: on the same port
--   redis.closeAll()      in teardown, before net.closeAll
--
-- What it holds is saved nowhere: one that was restarted is empty. Each wait is for an event, and
-- has a deadline. Only processes that were started here are ended.
local files = require "spec.support.files"
local needed = require "spec.support.needed"
local net = require "spec.support.net"
local ports = require "spec.support.ports"
local tree = require "spec.support.tree"

local redis = {
  -- Milliseconds for a start on a busy machine.
  patience = 20000,
}

local PATH = "/usr/bin/redis-server"

local Redis = {}
Redis.__index = Redis

local open = {} -- those that closeAll ends

---Why there is no Redis here; nil: there is one.
---@return string?
function redis.missing()
  if files.exists(PATH) then return nil end
  return needed "Redis is not installed: Debian's package redis-server"
end

local function run(self)
  local args = { "--bind", "127.0.0.1", "--port", tostring(self.port), "--save", "",
    "--appendonly", "no", "--dir", self.dir, "--daemonize", "no" }
  for _, arg in ipairs(self.opts.args or {}) do args[#args + 1] = arg end
  self.process = net.spawn(PATH, args, { cwd = self.dir })
  -- One that is frozen does not hear SIGTERM before it runs again.
  self.process.close = function(process)
    self:thaw()
    getmetatable(process).close(process)
  end
  assert(self.process:waitLine("(Ready to accept connections)", redis.patience))
end

---Starts one and waits until it takes connections.
---@param opts table? args: more of its command line; password: what clients have to give; port: a
--- free one when left out
---@return table server url, port, password, dir, process
function redis.start(opts)
  local self = setmetatable({ opts = opts or {} }, Redis)
  assert(not redis.missing(), redis.missing())
  self.password = self.opts.password
  self.dir, self.port = tree.new {}, self.opts.port or ports.one()
  if self.password then
    self.opts.args = { "--requirepass", self.password, unpack(self.opts.args or {}) }
  end
  open[self] = true
  run(self)
  local login = self.password and (":%s@"):format(self.password) or ""
  self.url = ("redis://%s127.0.0.1:%d"):format(login, self.port)
  return self
end

---Ends all that were started and removes their folders.
function redis.closeAll()
  for one in pairs(open) do one:close() end
end

-- A command as bytes.
local function written(words)
  local out = { ("*%d\r\n"):format(#words) }
  for i, word in ipairs(words) do out[i + 1] = ("$%d\r\n%s\r\n"):format(#word, word) end
  return table.concat(out)
end

---Sends a command on a connection of the spec's own.
---@param ... string words
---@return string answer its bytes, without the line ends around one value
function Redis:cli(...)
  local client = assert(net.connect(self.port))
  if self.password then assert(client:send(written { "AUTH", self.password })) end
  assert(client:send(written { ... } .. written { "QUIT" }))
  assert(client:waitClosed(redis.patience), "redis did not answer")
  local out = client:pending()
  client:close()
  if self.password then out = out:gsub("^%+OK\r\n", "") end
  out = out:gsub("%+OK\r\n$", "")
  return (out:gsub("^%$%d+\r\n", ""):gsub("^[+:]", ""):gsub("\r\n$", ""))
end

-- Waits for its end; what it printed is gone with it.
local function gone(self)
  assert(self.process:waitExit(redis.patience))
  self.frozen = nil
  self.process:close()
  self.process = nil
end

---Ends it in order: its clients see the end of their connections.
function Redis:stop()
  if not self.process then return end
  self:thaw()
  self.process:kill("sigterm")
  gone(self)
end

---Ends it with SIGKILL.
function Redis:kill()
  if not self.process then return end
  self.process:kill("sigkill")
  gone(self)
end

---Starts it again, on the same port, empty.
function Redis:restart()
  self:stop()
  run(self)
end

---SIGSTOP: connections stay, and nothing is answered.
function Redis:freeze()
  self.frozen = true
  self.process:freeze()
end

---SIGCONT.
function Redis:thaw()
  if not self.frozen then return end
  self.frozen = nil
  self.process:kill("sigcont")
end

function Redis:close()
  if not open[self] then return end
  open[self] = nil
  self:stop()
  tree.remove(self.dir)
end

return redis
