-- A connector whose handler asks a PostgreSQL, for specs of faults over real sockets.
--
--   local game = require "spec.support.postgres_game"
--   local server = game.start(pg, "timeout = 500")    -- more options of postgres.open, as Lua text
--   local client = pomelo.connect(server.port)
--   client:request("connector.dbHandler.query", { sql = "select 1 as a" }) -- {rows=} or {err=}
local talk = require "spec.support.talk"

local game = {}

local handler = [[
local pomelua = require "pomelua"
local postgres = require "pomelua.postgres"
local db = postgres.open { url = os.getenv("SPEC_DATABASE"), @options@ }

local function told(value, err)
  if value ~= nil then return { value = value } end
  return { err = { code = err.code, message = tostring(err), sqlstate = err.sqlstate } }
end

return function(app)
  local Handler = {}

  function Handler:query(msg) return told(db:query(msg.sql, unpack(msg.args or {}))) end
  function Handler:exec(msg) return told(db:exec(msg.sql, unpack(msg.args or {}))) end

  function Handler:callback(msg, _, next)
    db:query(msg.sql, function(err, rows) next(nil, told(rows, err)) end)
  end

  -- Runs statements in a transaction, then waits.
  function Handler:transaction(msg)
    return told(db:transaction(function(tx)
      for _, sql in ipairs(msg.sql) do
        local ok, err = tx:exec(sql)
        if not ok and not msg.goOn then return nil, err end
      end
      if msg.ms then pomelua.sleep(msg.ms) end
      return "done"
    end))
  end

  function Handler:inside()
    return told(db:transaction(function(tx)
      tx:exec "select 1"
      return db:query "select 1"
    end))
  end

  -- A transaction whose function waits for none of its statements.
  function Handler:left(msg)
    local states = {}
    local value, err = db:transaction(function(tx)
      for i, sql in ipairs(msg.sql) do
        tx:exec(sql, function(wrong, n)
          states[i] = wrong and (wrong.sqlstate or wrong.code) or n
        end)
      end
    end)
    local result = told(value, err)
    result.states = states
    return result
  end

  -- Asks n times at once; how many got what.
  function Handler:many(msg, _, next)
    local codes, left = {}, msg.n
    for _ = 1, msg.n do
      db:query(msg.sql, function(err)
        local code = err and err.code or "OK"
        codes[code] = (codes[code] or 0) + 1
        left = left - 1
        if left == 0 then next(nil, codes) end
      end)
    end
  end

  function Handler:stats() return db.handle.store:stats() end
  function Handler:echo(msg) return { n = msg.n } end

  return Handler
end
]]

---@param pg table as of spec.support.postgres, or {url=}
---@param options string? Lua text
---@return table server as of spec.support.talk
function game.start(pg, options)
  return talk.start {
    env = { SPEC_DATABASE = pg.url },
    files = {
      ["app/servers/connector/handler/dbHandler.lua"] =
        (handler:gsub("@options@", function() return options or "" end)),
    },
  }
end

return game
