-- The log of a running program: nobody waits for who reads it, and lines are whole.
local app = require "spec.support.app"
local cjson = require "cjson"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local tree = require "spec.support.tree"

local FILES = {
  ["app.lua"] = [[
    local app = require("pomelua").createApp()
    app:set("connectorConfig", { distinctHost = true })
    app:start()
  ]],
  ["config/servers.json"] = [[{"connector": [
    {"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]}]],
  ["app/servers/connector/handler/h.lua"] = [[
    local pomelua = require "pomelua"
    return function()
      local Handler = {}
      function Handler:talk(msg)
        for i = 1, msg.n do pomelua.log.info("begin %s end", ("x"):rep(msg.size)) end
        return { code = 200 }
      end
      function Handler:print()
        print("printed")
        io.write("written ", "to stdout\n")
        io.stdout:write("by the file\n")
        io.stderr:write("written ", "to stderr\n")
        return { code = 200 }
      end
      function Handler:strange() pomelua.log.info("\194\155 \255 \0 \"") return {} end
      return Handler
    end]],
}

describe("the log of a program", function()
  local server, client

  local function begin(...)
    server = app.start(FILES, { args = { ... } })
    client = pomelo.connect(server.ports["connector-1"])
  end

  after_each(function()
    pomelo.closeAll()
    server:stop { ".*" }
  end)

  it("stops no server when nobody reads it; what is lost is counted and told", function()
    begin()
    local err = server.process.pipes[3]
    err:read_stop()
    local other = pomelo.connect(server.ports["connector-1"])
    for _ = 1, 8 do
      assert.equal(200, client:request("connector.h.talk", { n = 1000, size = 1000 }).code)
    end
    assert.equal(200, other:request("connector.h.print", {}).code)
    assert.is_truthy(pomelo.connect(server.ports["connector-1"]))
    err:read_start(function(_, bytes)
      local p = server.process
      if bytes then p.err = p.err .. bytes else p.reading = p.reading - 1 end
    end)
    assert.is_truthy(server.process:waitLine("(%d+) lines lost here", app.patience, "err"))
    local whole, lost = 0, 0
    for line in server.process.err:gmatch("([^\n]*)\n") do
      if line:find("begin", 1, true) then
        assert.is_truthy(line:find(" begin x+ end$"))
        whole = whole + 1
      end
      lost = lost + tonumber(line:match("(%d+) lines lost here") or 0)
    end
    assert.is_true(whole + lost >= 8000 and whole > 1000)
  end)

  it("has what scripts print and write", function()
    begin()
    assert.equal(200, client:request("connector.h.print", {}).code)
    local process = server.process
    assert.is_truthy(process:waitLine(" info  connector%-1 printed$", nil, "err"))
    assert.is_truthy(process:waitLine("^written to stderr$", nil, "err"))
    assert.is_truthy(process:waitLine("^written to stdout$"))
    assert.is_truthy(process:waitLine("^by the file$"))
  end)

  it("is JSON with --log-json, whatever is in it", function()
    begin("--log-json")
    client:request("connector.h.strange", {})
    client:request("connector.h.talk", { n = 1, size = 100000 })
    client:request('connector.h.no"\194\155', {})
    assert.is_truthy(server.process:waitLine("fail to find handler", nil, "err"))
    assert.is_truthy(server.process:waitLine("xx %.%.%. %(%d+ bytes more%)", nil, "err"))
    for line in server.process.err:gmatch("([^\n]*)\n") do
      assert.is_string(cjson.decode(line).msg)
      assert.is_nil(line:find("\194[\128-\159]"))
    end
  end)
end)

describe("a program whose log cannot be written", function()
  for _, where in ipairs { "/dev/full", "a file without room", "a pipe that nobody reads" } do
    it("serves all the same, and ends in order: " .. where, function()
      local dir = tree.new(FILES)
      local command = "exec %s start %s 2>/dev/full"
      if where:find("file") then
        command = "ulimit -f 8; exec %s start %s 2>" .. dir .. "/log"
      elseif where:find("pipe") then
        command = "exec 3>&1; { exec %s start %s 2>&1 >&3; } | true"
      end
      local process = net.spawn("/bin/sh",
        { "-c", command:format(net.built("pomelua"), dir) })
      assert(process:waitLine("^ready$", app.patience))
      local port = tonumber(process.out:match("listening on [^\n]-:(%d+)\n"))
      local client = pomelo.connect(port)
      for _ = 1, 3 do
        assert.equal(200, client:request("connector.h.talk", { n = 100, size = 1000 }).code)
      end
      client:close()
      local stop = net.spawn(net.built("pomelua"), { "stop", "-d", dir })
      assert.equal(0, (stop:waitExit(app.patience)), stop.err)
      assert.equal(0, (process:waitExit(app.patience)))
      net.closeAll()
      tree.remove(dir)
    end)
  end
end)
