-- One query, when BENCH_POSTGRES is the URL of a database.
local url = os.getenv("BENCH_POSTGRES")
local db = url and require("pomelua.postgres").open { url = url, waiting = 4096 }

return function()
  local Handler = {}

  function Handler:read(msg)
    local rows, err = db:query("select gold from players where id = $1::int", msg.id)
    if not rows then return { code = 500, error = err.code } end
    return { code = 200, gold = rows[1].gold }
  end

  return Handler
end
