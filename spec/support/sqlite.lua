-- A game whose two frontends write to one file of SQLite, for specs of it in a running program.
--
--   local game = require("spec.support.sqlite").start()
--   game:ask(game.one, "exec", "create table t (x integer)").value
--   local id = game:begin(game.one, "hold", "insert into t values (1)")
--   game:waitHeld(game.two)
--
-- The handlers: exec, query, hasty (at most 100 ms), folder (no file), hold and linger (a
-- transaction that waits for release; linger answers first), held, release, spin (a transaction
-- that never ends). Each answers value, or failed, state and message.
local app = require "spec.support.app"
local pomelo = require "spec.support.pomelo"

local sqlite = {}
local Game = {}
Game.__index = Game

sqlite.HANDLER = [[
local pomelua = require "pomelua"
local sqlite = require "pomelua.sqlite"
local db = sqlite.open { file = "data/game.db", timeout = 8000 }
local hasty = sqlite.open { file = "data/game.db", timeout = 100 }
local folder = sqlite.open { file = "app" }
local held = pomelua.state()

local function told(value, err)
  return { value = value, failed = err and err.code, state = err and err.sqlstate,
    message = err and err.message, version = 1 }
end

return {
  exec = function(_, msg) return told(db:exec(msg.sql)) end,
  query = function(_, msg) return told(db:query(msg.sql)) end,
  hasty = function(_, msg) return told(hasty:query(msg.sql)) end,
  folder = function() return told(folder:query "select 1") end,
  -- Writes, waits for `release`, and writes again.
  hold = function(_, msg)
    return told(db:transaction(function(tx)
      tx:exec(msg.sql)
      pomelua.await(function(cb) held.cb = cb end)
      return tx:exec(msg.sql)
    end))
  end,
  -- The same behind its answer: a stop does not wait for it.
  linger = function(_, msg, _, next)
    next(nil, {})
    db:transaction(function(tx)
      tx:exec(msg.sql)
      pomelua.await(function(cb) held.cb = cb end)
    end)
  end,
  held = function() return { held = held.cb ~= nil, version = 1 } end,
  release = function()
    local cb = held.cb
    held.cb = nil
    cb()
    return {}
  end,
  spin = function(_, msg)
    return told(db:transaction(function(tx)
      tx:exec(msg.sql)
      while true do end
    end))
  end,
}
]]

local SERVERS = [[{ "development": { "connector": [
  {"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true},
  {"id": "connector-2", "host": "127.0.0.1", "clientPort": 0, "frontend": true}] } }]]
local FILES = {
  ["app.lua"] = [[
    local app = require("pomelua").createApp()
    app:configure("development", "connector", function()
      app:set("connectorConfig", { distinctHost = true, rate = false })
    end)
    app:set("serverConfig", { budget = 200, maxInFlight = 1000 })
    app:start()
  ]],
  ["config/servers.json"] = SERVERS,
  ["app/servers/connector/handler/h.lua"] = sqlite.HANDLER,
}

---Starts it.
function sqlite.start()
  local self = setmetatable({ server = app.start(FILES) }, Game)
  self.dir = self.server.dir
  self.file = self.dir .. "/data/game.db"
  self.one = self:connect "connector-1"
  self.two = self:connect "connector-2"
  return self
end

---@param id string of a frontend
function Game:connect(id) return pomelo.connect(self.server.ports[id]) end

---A request whose answer is not waited for here.
---@return integer id for game:answer
function Game.begin(_, client, method, sql)
  return client:ask("connector.h." .. method, { sql = sql })
end

function Game.answer(_, client, id) return assert(client:answer(id, app.patience)) end

function Game:ask(client, method, sql)
  return self:answer(client, self:begin(client, method, sql))
end

function Game:insert(client, x)
  return self:ask(client, "exec", "insert into t values (" .. x .. ")")
end

---How many rows table t has.
function Game:count()
  return self:ask(self.two, "query", "select count(*) as n from t").value[1].n
end

---Until a handler of that server holds a transaction.
function Game:waitHeld(client)
  for _ = 1, 10000 do
    if self:ask(client, "held").held then return end
  end
  error("no handler has begun its transaction")
end

---Table t is there, and empty.
function Game:clear()
  assert(self:ask(self.one, "exec", "create table if not exists t (x integer)").value == 0)
  assert(self:ask(self.one, "exec", "delete from t").value)
end

return sqlite
