-- A real PostgreSQL for a spec, on a free port of 127.0.0.1, in a folder of its own.
--
--   local postgres = require "spec.support.postgres"
--   local pg = postgres.start()
--   pg.url                   -- postgres://game:secret@127.0.0.1:PORT/game
--   pg:sql("select 1")       -- by psql: lines, columns with | between
--   pg:freeze() pg:thaw() pg:kill() pg:restart()   -- restart: on the same port
--   postgres.closeAll()      in teardown, before net.closeAll
--
-- It refuses to run as root: then it runs as the user postgres, or nobody. Each wait is for an
-- event, and has a deadline. Only processes that were started here are ended.
local files = require "spec.support.files"
local needed = require "spec.support.needed"
local net = require "spec.support.net"
local ports = require "spec.support.ports"
local tree = require "spec.support.tree"
local uv = require "luv"

local postgres = {
  -- Milliseconds for a start on a busy machine.
  patience = 30000,
}

local Postgres = {}
Postgres.__index = Postgres

local open = {} -- those that closeAll ends

-- The folder of its programs, of the newest version that is installed; nil: there is none.
local function find_bin()
  local best, version
  local req = uv.fs_scandir("/usr/lib/postgresql")
  while req do
    local name = uv.fs_scandir_next(req)
    if not name then break end
    local n = tonumber(name)
    local path = ("/usr/lib/postgresql/%s/bin"):format(name)
    if n and (not version or n > version) and files.exists(path .. "/postgres") then
      best, version = path, n
    end
  end
  return best
end

---Why there is no PostgreSQL here; nil: there is one.
---@return string?
function postgres.missing()
  if find_bin() then return nil end
  return needed "PostgreSQL is not installed: Debian's package postgresql"
end

-- Whom it runs as; nil: as whoever runs the specs.
local function user_of()
  if uv.getuid() ~= 0 then return nil end
  for line in io.lines("/etc/passwd") do
    if line:find("^postgres:") then return "postgres" end
  end
  return "nobody"
end

local function as_user(self, path, args)
  if not self.user then return path, args end
  local all = { "--reuid=" .. self.user, "--clear-groups", "--", path }
  for _, arg in ipairs(args) do all[#all + 1] = arg end
  return "setpriv", all
end

local function spawn(self, name, args, opts)
  local path, all = as_user(self, self.bin .. "/" .. name, args)
  return net.spawn(path, all, opts or { cwd = self.dir })
end

-- Runs a program to its end and returns what it printed.
local function ended(process, what)
  local code = assert(process:waitExit(postgres.patience))
  local out = process.out
  assert(code == 0, ("%s: %s%s"):format(what, out, process.err))
  process:close()
  return out
end

local function run(self)
  local args = {
    "-D", self.dir .. "/data", "-p", tostring(self.port), "-k", self.dir,
    "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "logging_collector=off",
    "-c", "shared_buffers=4MB", "-c", "max_connections=60", "-c", "autovacuum=off",
  }
  for _, setting in ipairs(self.opts.settings or {}) do
    args[#args + 1], args[#args + 2] = "-c", (setting:gsub("@dir@", self.dir))
  end
  self.process = spawn(self, "postgres", args)
  -- One that is frozen does not hear signals before it runs again.
  self.process.close = function(process)
    self:thaw()
    getmetatable(process).close(process)
  end
  assert(self.process:waitErr("database system is ready to accept connections", postgres.patience))
end

---Makes a cluster with the user and the database `game`, starts it and waits until it takes
---connections.
---@param opts table? settings: "name=value" of postgresql.conf, where @dir@ is its folder; prepare:
--- called with the folder, before it is the server's
---@return table server url, port, password, dir (its socket lies there), process
function postgres.start(opts)
  local self = setmetatable({ opts = opts or {}, bin = assert(find_bin(), postgres.missing()) },
    Postgres)
  self.user, self.password = user_of(), "se:cret@1"
  self.dir = tree.new { password = self.password }
  self.port = ports.one()
  open[self] = true
  if self.opts.prepare then self.opts.prepare(self.dir) end
  if self.user then
    ended(net.spawn("chown", { "-R", self.user, self.dir }), "chown")
  end
  ended(spawn(self, "initdb", {
    "-D", self.dir .. "/data", "-U", "game", "-E", "UTF8", "--locale=C", "-N", "--no-instructions",
    "--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile=" .. self.dir .. "/password",
  }), "initdb")
  run(self)
  self.database = "postgres"
  self:sql("create database game")
  self.database = "game"
  self.url = ("postgres://game:se%%3Acret%%401@127.0.0.1:%d/game"):format(self.port)
  return self
end

---Ends all that were started and removes their folders.
function postgres.closeAll()
  for one in pairs(open) do one:close() end
end

---Runs statements by psql, over the socket in its folder.
---@param text string
---@return string[] lines what they gave, columns with | between
function Postgres:sql(text)
  local out = ended(spawn(self, "psql", {
    "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.dir, "-p", tostring(self.port),
    "-U", "game", "-d", self.database, "-c", text,
  }), "psql")
  local lines = {}
  for line in out:gmatch("[^\n]+") do lines[#lines + 1] = line end
  return lines
end

-- The process and all that it has started.
local function family(self)
  local list = { self.process.pid }
  local req = uv.fs_scandir("/proc")
  for name in function() return uv.fs_scandir_next(req) end do
    local file = name:find("^%d+$") and io.open("/proc/" .. name .. "/stat")
    local text = file and file:read("*a") or ""
    if file then file:close() end
    if tonumber(text:match("%) %a (%d+) ")) == self.process.pid then
      list[#list + 1] = tonumber(name)
    end
  end
  return list
end

local function signal(self, name)
  for _, pid in ipairs(family(self)) do uv.kill(pid, name) end
end

---@return boolean
function Postgres:runs() return self.process ~= nil and self.process.code == nil end

-- Waits for its end; what it printed is gone with it.
local function gone(self)
  assert(self.process:waitExit(postgres.patience))
  self.frozen = nil
  self.process:close()
  self.process = nil
end

---Ends it: connections end at once, without a word to those who work.
function Postgres:stop()
  if not self.process then return end
  self:thaw()
  self.process:kill("sigint")
  gone(self)
end

---Ends it and all of its processes with SIGKILL.
function Postgres:kill()
  if not self.process then return end
  signal(self, "sigkill")
  gone(self)
end

---Starts it again, on the same port.
function Postgres:restart()
  self:stop()
  run(self)
end

---SIGSTOP: connections stay, new ones are taken by the system, and nothing is answered.
function Postgres:freeze()
  self.frozen = true
  self.process:freeze()
  signal(self, "sigstop")
end

---SIGCONT.
function Postgres:thaw()
  if not self.frozen then return end
  self.frozen = nil
  signal(self, "sigcont")
end

function Postgres:close()
  if not open[self] then return end
  open[self] = nil
  self:stop()
  tree.remove(self.dir)
end

return postgres
