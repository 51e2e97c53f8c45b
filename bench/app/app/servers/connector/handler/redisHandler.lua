-- One GET, when BENCH_REDIS is the URL of a server.
local url = os.getenv("BENCH_REDIS")
local redis = url and require("pomelua.redis").open { url = url, waiting = 4096 }

return function()
  local Handler = {}

  function Handler:read(msg)
    local gold, err = redis:call("GET", msg.key)
    if err then return { code = 500, error = err.code } end
    return { code = 200, gold = gold }
  end

  return Handler
end
