-- The control socket of a running program, whatever connects to it, and operations whose
-- output nobody reads: the program goes on, and does what it was asked.
local app = require "spec.support.app"
local cjson = require "cjson"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local uv = require "luv"

local FILES = {
  ["app.lua"] = [[
local app = require("pomelua").createApp()
app:set("connectorConfig", { distinctHost = true })
app:start()
]],
  ["config/servers.json"] = [[{
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
  "chat": [{"id": "chat-1", "host": "127.0.0.1"}]
}]],
  ["app/servers/chat/handler/chatHandler.lua"] = [[
    local pomelua, born = require "pomelua", require("pomelua").uuid()
    return { born = function() return { code = 200, born = born } end }
]],
}

local MANY = 100

describe("the control socket", function()
  local server, pipes

  setup(function() server = app.start(FILES) end)
  before_each(function() pipes = {} end)
  after_each(function()
    for _, one in ipairs(pipes) do
      if not one.pipe:is_closing() then one.pipe:close() end
    end
  end)
  teardown(function() server:stop { "no answer", "its server", "can not find server",
    "undeliverable messages" } end)

  local function connect()
    local path = ("%s/.pomelua/%d.sock"):format(server.dir, server.process.pid)
    local one, up = { text = "" }, nil
    pipes[#pipes + 1] = one
    assert(net.wait(function() -- a full queue of connections is EAGAIN
      if up and up ~= "EAGAIN" then return true end
      if one.pipe and up then one.pipe:close() end
      if up or not one.pipe then
        one.pipe, up = uv.new_pipe(false), nil
        one.pipe:connect(path, function(err) up = err or true end)
      end
    end))
    assert.equal(true, up)
    one.pipe:read_start(function(_, bytes)
      if bytes then one.text = one.text .. bytes else one.closed = true end
    end)
    return one
  end

  -- The last line of an answer.
  local function done(one)
    assert(net.wait(function() return one.text:find('"done":true', 1, true) end, app.patience))
    return cjson.decode(one.text:match("([^\n]*)\n$"))
  end

  local function answers()
    local one = connect()
    one.pipe:write('{"command":"version"}\n')
    local reply = done(one)
    one.pipe:close()
    return reply.ok
  end

  local function born()
    local client = pomelo.connect(server.ports["connector-1"])
    local answer = client:request("chat.chatHandler.born", {})
    client:close()
    return answer.born
  end

  for name, text in pairs {
    ["no JSON"] = "hello", ["an empty line"] = "", ["bytes of all values"] = "\0\1\255\254\13",
    ["a text"] = '"x"', ["a number"] = "7", ["a list"] = "[1,2]", ["null"] = "null",
    ["no command"] = "{}", ["an unknown command"] = '{"command":"dance"}',
    ["a command that is a list"] = '{"command":["stop"]}',
    ["ids that are a number"] = '{"command":"restart","ids":7}',
    ["ids that are objects"] = '{"command":"restart","ids":[{},[],null,false]}',
    ["a stop of what is no list"] = '{"command":"stop","ids":"chat-1"}',
    ["a kill of what is no list"] = '{"command":"kill","ids":{"id":"chat-1"}}',
    ["an entry that is a text"] = '{"command":"add","entry":"x"}',
    ["modules that are a number"] = '{"command":"reload","modules":7}',
    ["modules that are objects"] = '{"command":"reload","modules":[{},null]}',
    ["a text that is an object"] = '{"command":"eval","id":"chat-1","text":{}}',
    ["an id that is an object"] = '{"command":"eval","id":{},"text":"1"}',
    ["very deep JSON"] = ("["):rep(60000),
  } do
    it("answers " .. name .. " with a refusal", function()
      local one = connect()
      one.pipe:write(text .. "\n")
      assert.is_false(done(one).ok)
      assert.is_true(answers())
    end)
  end

  it("closes after a line that never ends", function()
    local one = connect()
    one.pipe:write(("x"):rep(1000000))
    assert(net.wait(function() return one.closed end))
    assert.is_true(answers())
  end)

  it("takes a question byte by byte, and several at once", function()
    local one = connect()
    for c in ('{"command":"version"}\n'):gmatch "." do one.pipe:write(c) end
    assert.is_true(done(one).ok)
    one = connect()
    one.pipe:write(('{"command":"version"}\n'):rep(50))
    assert(net.wait(function() return select(2, one.text:gsub("\n", "")) == 50 end))
  end)

  it("tells what is too many, and serves again when they have gone", function()
    local refused, served = 0, 0
    for _ = 1, MANY do connect() end
    for _, one in ipairs(pipes) do
      if not one.pipe:is_closing() then one.pipe:write('{"command":"version"}\n') end
    end
    assert(net.wait(function()
      refused, served = 0, 0
      for _, one in ipairs(pipes) do
        if one.text:find("too many tools", 1, true) then
          refused = refused + 1
        elseif one.text:find('"ok":true', 1, true) then
          served = served + 1
        end
      end
      return refused + served == MANY
    end, app.patience), ("%d refused, %d served"):format(refused, served))
    assert.is_true(served >= 16 and refused > 0, served .. " served")
    for _, one in ipairs(pipes) do one.pipe:close() end
    assert(net.wait(function()
      local one = connect()
      one.pipe:write('{"command":"version"}\n')
      net.wait(function() return one.text:find("\n", 1, true) or one.closed end)
      local ok = one.text:find('"ok":true', 1, true)
      one.pipe:close()
      return ok
    end, app.patience))
  end)

  it("does what was asked also when nobody waits for the answer", function()
    local before = born()
    local one = connect()
    one.pipe:write('{"command":"restart","ids":["chat-1"]}\n')
    one.pipe:shutdown(function() one.pipe:close() end)
    assert(net.wait(function()
      local now = born()
      return now and now ~= before
    end, app.patience))
  end)

  it("does what a tool asked whose output nobody reads", function()
    for _, output in ipairs { "| true", ">&-", "> /dev/full" } do
      local before = born()
      local shell = net.spawn("/bin/sh", { "-c",
        ("%s restart chat-1 -d %s %s"):format(net.built("pomelua"), server.dir, output) })
      assert(shell:waitExit(app.patience))
      assert(net.wait(function()
        local now = born()
        return now and now ~= before
      end, app.patience), output)
    end
    assert.is_true(answers())
  end)
end)
