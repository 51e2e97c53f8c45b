-- A real MariaDB for a spec, on a free port of 127.0.0.1, in a folder of its own.
--
--   local mariadb = require "spec.support.mariadb"
--   local db = mariadb.start()
--   db.url                   -- mysql://game:secret@127.0.0.1:PORT/game
--   db:sql("select 1")       -- by the client `mariadb`: lines, columns with tabs between
--   db:freeze() db:thaw() db:kill() db:restart()   -- restart: on the same port
--   mariadb.closeAll()       in teardown, before net.closeAll
--
-- To make its tables takes seconds, which is done once for a build: each start copies them. Each
-- wait is for an event, and has a deadline. Only processes that were started here are ended.
local certs = require "spec.support.certs"
local files = require "spec.support.files"
local needed = require "spec.support.needed"
local net = require "spec.support.net"
local ports = require "spec.support.ports"
local tree = require "spec.support.tree"
local uv = require "luv"

local mariadb = {
  -- Milliseconds for a start on a busy machine.
  patience = 60000,
}

local Mariadb = {}
Mariadb.__index = Mariadb

local open = {} -- those that closeAll ends

local SERVER, INSTALL, CLIENT = "/usr/sbin/mariadbd", "/usr/bin/mariadb-install-db",
  "/usr/bin/mariadb"

local INIT = [[
create database if not exists game character set utf8mb4;
create user if not exists 'game'@'%' identified by 'se:cret@1';
grant all on *.* to 'game'@'%';
create user if not exists 'bare'@'%';
grant all on game.* to 'bare'@'%';
]]

---Why there is no MariaDB here; nil: there is one.
---@return string?
function mariadb.missing()
  for path, package in pairs { [SERVER] = "mariadb-server-core", [INSTALL] = "mariadb-server-core",
    [CLIENT] = "mariadb-client-core" } do
    if not files.exists(path) then
      return needed("MariaDB is not installed: Debian's package " .. package)
    end
  end
end

-- Runs a program to its end and returns what it printed.
local function ended(process, what)
  local code = assert(process:waitExit(mariadb.patience))
  local out = process.out
  assert(code == 0, ("%s: %s%s"):format(what, out, process.err))
  process:close()
  return out
end

local function as_user(args)
  if uv.getuid() == 0 then table.insert(args, 2, "--user=root") end
  return args
end

-- The folder with the tables of a server that has just been installed.
local function template()
  local version = ended(net.spawn(SERVER, { "--no-defaults", "--version" }), "mariadbd")
  local build = os.getenv "POMELUA_BUILD" or "build"
  local path = ("%s/mariadb-%s"):format(assert(uv.fs_realpath(build)), version:match("Ver (%S+)"))
  if files.exists(path .. "/ibdata1") then return path end
  local new = ("%s.%d"):format(path, uv.os_getpid())
  ended(net.spawn(INSTALL, as_user { "--no-defaults", "--datadir=" .. new, "--skip-test-db",
    "--auth-root-authentication-method=normal", "--skip-name-resolve",
    "--innodb-log-file-size=5M" }), "mariadb-install-db")
  -- Another spec may have been faster.
  if not uv.fs_rename(new, path) then tree.remove(new) end
  return path
end

local function run(self)
  local args = as_user {
    "--no-defaults", "--datadir=" .. self.dir .. "/data", "--port=" .. self.port,
    "--bind-address=127.0.0.1", "--socket=" .. self.dir .. "/socket",
    "--pid-file=" .. self.dir .. "/pid", "--init-file=" .. self.dir .. "/init.sql",
    "--innodb-log-file-size=5M", "--innodb-buffer-pool-size=16M", "--performance-schema=OFF",
    "--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite", "--skip-name-resolve",
  }
  if self.opts.tls then
    args[#args + 1] = "--ssl-cert=" .. self.dir .. "/server.crt"
    args[#args + 1] = "--ssl-key=" .. self.dir .. "/server.key"
  end
  self.process = net.spawn(SERVER, args, { cwd = self.dir })
  -- One that is frozen does not hear SIGTERM before it runs again.
  self.process.close = function(process)
    self:thaw()
    getmetatable(process).close(process)
  end
  assert(self.process:waitErr("ready for connections", mariadb.patience), self.process.err)
end

---Starts one with the user and the database `game` and waits until it takes connections.
---@param opts table? tls: clients may encrypt; server.crt in its folder is for localhost
---@return table server url, port, password, dir (its socket lies there), process
function mariadb.start(opts)
  assert(not mariadb.missing(), mariadb.missing())
  local self = setmetatable({ opts = opts or {} }, Mariadb)
  self.dir = tree.new { ["init.sql"] = INIT }
  self.port, self.password = ports.one(), "se:cret@1"
  open[self] = true
  if self.opts.tls then certs.make(self.dir, "server") end
  ended(net.spawn("cp", { "-a", template(), self.dir .. "/data" }), "cp")
  run(self)
  self.url = ("mysql://game:se%%3Acret%%401@127.0.0.1:%d/game"):format(self.port)
  return self
end

---Ends all that were started and removes their folders.
function mariadb.closeAll()
  for one in pairs(open) do one:close() end
end

---Runs statements by the client, over the socket in its folder.
---@param text string
---@return string[] lines what they gave, columns with tabs between
function Mariadb:sql(text)
  local out = ended(net.spawn(CLIENT, { "--no-defaults", "--socket=" .. self.dir .. "/socket",
    "--user=game", "--password=" .. self.password, "--batch", "--skip-column-names",
    "--database=game", "--execute=" .. text }), "mariadb")
  local lines = {}
  for line in out:gmatch("[^\n]+") do lines[#lines + 1] = line end
  return lines
end

---@return boolean
function Mariadb:runs() return self.process ~= nil and self.process.code == nil end

-- Waits for its end; what it printed is gone with it.
local function gone(self)
  assert(self.process:waitExit(mariadb.patience))
  self.frozen = nil
  self.process:close()
  self.process = nil
end

---Ends it in order.
function Mariadb:stop()
  if not self.process then return end
  self:thaw()
  self.process:kill("sigterm")
  gone(self)
end

---Ends it with SIGKILL.
function Mariadb:kill()
  if not self.process then return end
  self.process:kill("sigkill")
  gone(self)
end

---Starts it again, on the same port.
function Mariadb:restart()
  self:stop()
  run(self)
end

---SIGSTOP: connections stay, new ones are taken by the system, and nothing is answered.
function Mariadb:freeze()
  self.frozen = true
  self.process:freeze()
end

---SIGCONT.
function Mariadb:thaw()
  if not self.frozen then return end
  self.frozen = nil
  self.process:kill("sigcont")
end

function Mariadb:close()
  if not open[self] then return end
  open[self] = nil
  self:kill() -- nothing of it is needed again
  tree.remove(self.dir)
end

return mariadb
