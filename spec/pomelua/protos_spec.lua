-- The files of protobuf definitions: where they lie, what is wrong with them, when they change.
-- Tests live/protos.lua.
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local CONFIG = [[{"development": {"chat": [{"id": "chat-1", "host": "127.0.0.1"}],
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}]}}]]
local MOVE = [[{ "onMove": { "required uInt32 x": 1 } }]]
local TURN = [[{ "onMove": { "required uInt32 x": 1 }, "onTurn": { "required bool left": 1 } }]]
local SEND = [[{ "chat.echo.say": { "required string text": 1 } }]]
local SERVER, CLIENT = "config/serverProtos.json", "config/clientProtos.json"

describe("definitions of protobuf", function()
  local base

  local function start(files, settings, stype)
    local all = {
      ["app.lua"] = 'local app = require("pomelua").createApp()\n' .. (settings or "")
        .. "app:start()\n",
      ["config/servers.json"] = CONFIG,
      ["app/servers/chat/handler/echo.lua"] = "return { say = function() return {} end }",
    }
    for path, text in pairs(files) do all[path] = text end
    base = tree.new(all)
    stype = stype or "connector"
    return test.server { base = base, type = stype, id = stype .. "-1" }
  end

  local function refused(files, settings, stype)
    local ok, err = pcall(start, files, settings, stype)
    assert.is_false(ok)
    return tostring(err)
  end

  local ON = 'app:set("connectorConfig", { useProtobuf = true })\n'

  local function log_of(server)
    local lines = {}
    for i, line in ipairs(server:log()) do lines[i] = line.text end
    return table.concat(lines, "\n")
  end

  local function set_of(server) return server.inner.registry.set.protos end

  it("are those of config/ on a frontend with useProtobuf", function()
    local set = set_of(start({ [SERVER] = MOVE, [CLIENT] = SEND }, ON))
    assert.is_true(set:has("server", "onMove"))
    assert.is_true(set:has("client", "chat.echo.say"))
  end)

  it("are not read by a frontend without it, whatever stands in them", function()
    assert.is_nil(set_of(start { [SERVER] = "{" }))
  end)

  it("are read by a backend, which checks what it pushes, unless it says no", function()
    assert.is_true(set_of(start({ [SERVER] = MOVE }, nil, "chat")):has("server", "onMove"))
    assert.is_nil(set_of(start({ [SERVER] = MOVE },
      'app:set("connectorConfig", { useProtobuf = false })\n', "chat")))
    assert.is_nil(set_of(start({}, nil, "chat")))
  end)

  it("lie in the folder of the environment when they are not in config/", function()
    local set = set_of(start({ ["config/development/serverProtos.json"] = MOVE,
      ["config/production/clientProtos.json"] = SEND }, ON))
    assert.is_true(set:has("server", "onMove"))
    assert.is_false(set:has("client", "chat.echo.say"))
  end)

  it("lie where protobufConfig says", function()
    local more = ON .. 'app:set("protobufConfig", { serverProtos = "config/game/down.json" })\n'
    local set = set_of(start({ ["config/game/down.json"] = MOVE, [SERVER] = TURN }, more))
    assert.is_true(set:has("server", "onMove"))
    assert.is_false(set:has("server", "onTurn"))
    assert.matches("protobufConfig.serverProtos: there is no file config/game/down.json",
      refused({}, more), 1, true)
    assert.matches('protobufConfig.serverProtos: must be the path of a file, got 5',
      refused({}, 'app:set("protobufConfig", { serverProtos = 5 })\n'), 1, true)
  end)

  it("may be missing, with a warning", function()
    local server = start({}, ON)
    assert.equal("", set_of(server):version())
    local text = log_of(server)
    assert.matches("connectorConfig.useProtobuf: there is neither config/serverProtos.json nor "
      .. "config/clientProtos.json", text, 1, true)
  end)

  for what, row in pairs {
    ["a tag that stands twice"] = { '{ "onMove": {\n "required uInt32 x": 1,\n'
      .. ' "required uInt32 y": 1 } }',
      "config/serverProtos.json:3: onMove > required uInt32 y: the tag 1 belongs to x already" },
    ["an option that there is not"] = { '{ "onMove": { "require uInt32 x": 1 } }',
      "config/serverProtos.json:1: onMove > require uInt32 x: a key begins with optional" },
    ["a type that there is not"] = { '{ "onMove": { "required int64 x": 1 } }',
      "config/serverProtos.json:1: onMove > x: the type int64 is unknown; sInt64 is one" },
    ["text that is no JSON"] = { '{ "onMove": { "required uInt32 x": 1, // the place\n} }',
      "config/serverProtos.json:1: JSON has no comments; take this one out" },
  } do
    it("refuse the start for " .. what .. ", with file, line and key", function()
      assert.matches(row[2], refused({ [SERVER] = row[1] }, ON), 1, true)
      assert.matches(row[2], refused({ [SERVER] = row[1] }, nil, "chat"), 1, true)
    end)
  end

  it("warn of responses by which no error can be told", function()
    local function said(protos) return log_of(start({ [SERVER] = protos }, ON)) end
    assert.matches("serverProtos: chat.a.b and 1 more: without a field `optional uInt32 code`",
      said [[{ "chat.a.b": { "required string code": 1 }, "chat.a.c": {},
        "chat.a.d": { "required int32 code": 1 }, "onMove": {} }]], 1, true)
    assert.not_matches("without a field", said(MOVE), 1, true)
  end)

  it("are read again when a file changes, comes or goes", function()
    local server = start({ [SERVER] = MOVE }, ON)
    local told = {}
    server.inner.registry:on_swap(function(set) told[#told + 1] = set.protos end)
    local first = set_of(server)
    tree.write(base, SERVER, TURN)
    local result = assert(server:reload())
    assert.same({ SERVER }, result.modules)
    local second = set_of(server)
    assert.is_true(second:has("server", "onTurn"))
    assert.is_false(first:has("server", "onTurn")) -- what a client was given stays what it was
    assert.not_equal(first:version(), second:version())
    assert.equal(second, told[1])
    tree.write(base, CLIENT, SEND)
    assert(server:reload())
    assert.is_true(set_of(server):has("client", "chat.echo.say"))
    os.remove(base .. "/" .. CLIENT)
    assert.same({ CLIENT }, assert(server:reload()).removed)
    assert.is_false(set_of(server):has("client", "chat.echo.say"))
  end)

  it("stay in force when the new ones are wrong", function()
    local server = start({ [SERVER] = MOVE }, ON)
    tree.write(base, SERVER, '{ "onMove": { "required uint32 x": 1 } }')
    local result, err = server:reload()
    assert.is_nil(result)
    assert.equal("LOAD", err.code)
    assert.equal("config/serverProtos.json:1: onMove > x: the type uint32 is unknown; uInt32 is "
      .. "one", err.message)
    assert.is_true(set_of(server):has("server", "onMove"))
  end)

  it("keep their set when something else is reloaded", function()
    local server = start({ [SERVER] = MOVE }, nil, "chat")
    local before = set_of(server)
    tree.write(base, "app/servers/chat/handler/echo.lua",
      "return { say = function() return { 1 } end }")
    assert(server:reload())
    assert.equal(before, set_of(server))
  end)

  for _, stype in ipairs { "connector", "chat" } do
    describe("in a spec of a game, on a server of type " .. stype, function()
      local route = stype .. ".echo.say"
      local definition = ('{ "%s": { "required uInt32 n": 1, "repeated uInt32 list": 2 } }')
        :format(route)

      local function echo(more)
        local files = {
          [CLIENT] = definition,
          ["app/servers/" .. stype .. "/handler/echo.lua"] =
            "return { say = function(_, msg) return { got = msg, code = 'none' } end }",
        }
        for path, text in pairs(more or {}) do files[path] = text end
        return start(files, ON, stype)
      end

      it("make of a client's message what the handler would get", function()
        local got = echo():request(route, { n = 1.5, other = true, list = {} }).got
        assert.equal(1, got.n)
        assert.is_nil(got.other)
        assert.is_nil(got.list)
      end)

      it("raise at the line of the spec for a message that no client could send", function()
        local ok, err = pcall(function() echo():request(route, { n = "x" }) end)
        assert.is_false(ok)
        assert.matches("protos_spec.lua:%d+: the message does not fit its definition: n: a number "
          .. "is needed, and this text is none %(clientProtos, \"" .. route .. "\"%)$", err)
      end)

      it("answer 500 in the place of what does not fit serverProtos", function()
        local server = echo { [SERVER] = ('{ "%s": { "required uInt32 code": 1 } }'):format(route) }
        assert.same({ code = 500 }, server:request(route, { n = 1 }))
        local found
        for _, line in ipairs(server:log()) do
          found = found or line.text:find("code: a number is needed, and", 1, true)
        end
        assert.is_truthy(found)
      end)
    end)
  end
end)
