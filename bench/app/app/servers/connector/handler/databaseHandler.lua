-- A request with one read of SQLite: the file has what core/tools/sqlite_read.c makes.
local sqlite = require "pomelua.sqlite"

local db = sqlite.open { file = "data/bench.db" }
local made

local function make()
  assert(db:exec("create table if not exists players (id integer primary key, name text, "
    .. "gold integer)"))
  assert(db:exec("insert or ignore into players with recursive r(n) as (select 1 union all "
    .. "select n + 1 from r where n < 1000) select n, 'player ' || n, n from r "
    .. "where not exists (select 1 from players)"))
end

return function()
  local Handler = {}
  local last = 0

  function Handler:read(msg)
    if not made then
      make()
      made = true
    end
    last = last % 1000 + 1
    local rows = assert(db:query("select name, gold from players where id = $1", last))
    return { code = 200, content = msg.content, name = rows[1].name, gold = rows[1].gold }
  end

  return Handler
end
