-- The layers of core/: who may include whom, and no circles.
local may = {
  base = {}, wire = { "base" }, model = { "base" }, loop = { "base" },
  net = { "base", "wire", "loop" }, bus = { "base", "wire", "loop" },
  store = { "base", "wire", "loop" },
  node = { "base", "wire", "model", "loop", "net", "bus" },
  host = { "base", "wire", "model", "loop", "net", "bus", "store", "node" },
  script = { "base", "wire", "model", "loop", "node", "host" },
  bind = { "base", "wire", "model", "loop", "net", "bus", "store", "node", "host", "script" },
}
-- Headers of libraries, and the only places where they belong.
local libraries = {
  ["^uthash%.h$"] = { "^base/", "^wire/", "^model/" },
  ["^utlist%.h$"] = {}, ["^utarray%.h$"] = {}, ["^utstring%.h$"] = {},
  ["^openssl/evp%.h$"] = { "^base/", "^wire/", "^model/" },
  ["^openssl/ssl%.h$"] = { "^net/" },
  ["^openssl/"] = { "^base/", "^wire/", "^model/", "^net/" },
  ["^uv%.h$"] = { "^loop/", "^net/", "^bus/", "^store/", "^host/", "^tools/" },
  ["^liburing%.h$"] = { "^loop/" },
  ["^jemalloc/"] = { "^base/mem%.c$" },
  ["^nats%.h$"] = { "^bus/transport_nats%." },
  ["^sqlite3%.h$"] = { "^store/sqlite" },
  ["^postgresql/"] = { "^store/postgres", "^tools/pg_floor" },
  ["^hiredis/"] = { "^store/redis", "^tools/redis_floor" },
  ["^mysql"] = { "^store/mysql" }, ["^mariadb"] = { "^store/mysql" },
  ["^curl/"] = { "^store/http" },
  ["^microhttpd%.h$"] = { "^host/web%.c$", "^host/web_answer%.[ch]$" },
  ["^gnutls/"] = { "^host/web_tls%.[ch]$" },
  ["^lua.*%.h$"] = { "^script/", "^bind/", "^main%." },
}

local graphs = require "spec.support.graph"

local function includes_of(path)
  local own, outside = {}, {}
  for line in io.lines(path) do
    own[#own + 1] = line:match('^#%s*include "(.-)"')
    outside[#outside + 1] = line:match("^#%s*include <(.-)>")
  end
  return own, outside
end

local function sources()
  local list = {}
  local pipe = io.popen("find core -name '*.[ch]'")
  for path in pipe:lines() do
    local file = path:gsub("^core/", "")
    if not file:match("^test/") and not file:match("^fuzz/") then list[#list + 1] = file end
  end
  pipe:close()
  table.sort(list)
  return list
end

local function any(patterns, text)
  for _, p in ipairs(patterns) do
    if text:find(p) then return true end
  end
  return false
end

local function contains(list, value)
  for _, v in ipairs(list) do if v == value then return true end end
  return false
end

describe("the layers of core/", function()
  local graph = {}
  for _, file in ipairs(sources()) do
    local own, outside = includes_of("core/" .. file)
    graph[file] = own
    local layer = file:match("^(%a+)/")

    it(file .. " includes only what its layer may know", function()
      for _, inc in ipairs(own) do
        local other = inc:match("^(%a+)/")
        assert(other, file .. ': "' .. inc .. '" does not say its folder')
        assert(other ~= "test" and other ~= "fuzz", file .. " includes a test: " .. inc)
        -- main.c and the tools put parts together: they may see every layer.
        assert(not may[layer] or other == layer or contains(may[layer], other),
          file .. " must not include " .. inc)
      end
      for _, inc in ipairs(outside) do
        for pattern, places in pairs(libraries) do
          assert(not inc:find(pattern) or any(places, file),
            file .. " must not include <" .. inc .. ">")
        end
      end
    end)
  end

  it("are all known", function()
    for file in pairs(graph) do
      local layer = file:match("^(%a+)/")
      assert(not layer or may[layer] or layer == "tools", "which layer is " .. file .. " of?")
    end
  end)

  it("have no circles among headers", function()
    local headers = {}
    for file, list in pairs(graph) do
      if file:match("%.h$") then
        headers[file] = {}
        for _, inc in ipairs(list) do
          if inc:match("%.h$") then headers[file][inc] = "includes" end
        end
      end
    end
    local found = graphs.circle(headers)
    assert(not found, found)
  end)
end)
