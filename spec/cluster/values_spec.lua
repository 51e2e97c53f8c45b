-- What a value is after it went through everything: a client, its frontend, another server, a
-- remote, settings and pushes. An empty array stays one, one ill-formed character costs itself
-- alone, and calls wait.
local pomelo = require "spec.support.pomelo"
local apps = require "spec.support.app"

local UFFFD = "\239\191\189"

local HANDLER = [[
return function(app)
  local Handler = {}
  function Handler:echo(msg)
    if msg.__route__ then msg.__route__ = nil end
    return msg
  end
  -- Through settings, a remote of another server, a push and back.
  function Handler:walk(msg, session)
    local ok, err = session:bind("ann")
    if not ok then return nil, err end
    session:set("value", msg.value)
    ok, err = session:push("value")
    if not ok then return nil, err end
    local value
    value, err = app.call.chat.r.walk(session, session.frontendId, session.id)
    if err then return nil, err end
    session:unbind("ann")
    return { value = value }
  end
  function Handler:say(_, session)
    session:bind("bob")
    app:get("channelService"):pushMessageByUids("onSay",
      { text = "a\255b", list = { "\237\160\189" } },
      { { uid = "bob", sid = session.frontendId } })
    session:unbind("bob")
    return { said = "\233" }
  end
  return Handler
end
]]

local REMOTE = [[
return function(app)
  local Remote = {}
  function Remote:walk(sid, id)
    local session, err = app:get("backendSessionService"):get(sid, id)
    if not session then return nil, err end
    local value = session:get("value")
    app:get("channelService"):pushMessageByUids("onWalk", { value = value },
      { { uid = "ann", sid = sid } })
    return value
  end
  return Remote
end
]]

local APP = [[
local app = require("pomelua").createApp()
app:configure("all", "connector", function()
  app:set("connectorConfig", { distinctHost = true,
    handshake = function(msg, cb) cb(nil, msg.user) end })
end)
app:start()
]]

local SERVERS = [[{"development": {
  "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
  "chat": [{"id": "chat-1", "host": "127.0.0.1"}]}}]]

describe("a value", function()
  local app, client

  setup(function()
    app = apps.start {
      ["app.lua"] = APP, ["config/servers.json"] = SERVERS,
      ["app/servers/connector/handler/h.lua"] = HANDLER,
      ["app/servers/chat/handler/h.lua"] = HANDLER,
      ["app/servers/chat/remote/r.lua"] = REMOTE,
    }
  end)
  teardown(function() app:stop() end)
  after_each(function() pomelo.closeAll() end)

  -- The texts of the answer and of the push that came before it.
  local function ask(route, body)
    local _, message = assert(client:answer(client:ask(route, body)))
    return message.body, client.pushes[1] and client:push().body
  end

  for _, transport in ipairs { "tcp", "ws" } do
    describe("over " .. transport .. ",", function()
      before_each(function() client = pomelo.connect(app.ports["connector-1"], transport) end)

      for _, stype in ipairs { "connector", "chat" } do
        it("that is an empty array stays one, in " .. stype, function()
          for _, text in ipairs { "[]", "[[]]", '{"a":[]}', "{}", '{"a":{"b":[[],{}]}}' } do
            assert.are.equal(text, (ask(stype .. ".h.echo", text)))
          end
          for _, text in ipairs { "[]", "[[],{}]", '{"list":[]}', '["[]"]' } do
            local answer, push = ask(stype .. ".h.walk", '{"value":' .. text .. "}")
            assert.are.equal('{"value":' .. text .. "}", answer)
            assert.are.equal(answer, push)
          end
        end)

        it("with an ill-formed character keeps the others, in " .. stype, function()
          for _, odd in ipairs { [[\ud83d]], [[\uDE00]], "\237\160\189", "\255", "\233" } do
            assert.are.equal('["a' .. UFFFD .. 'b",1]',
              (ask(stype .. ".h.echo", '["a' .. odd .. 'b",1]')))
          end
          assert.are.equal('{"' .. UFFFD .. '":1}', (ask(stype .. ".h.echo", '{"\255":1}')))
          local answer, push = ask(stype .. ".h.say", "{}")
          assert.are.equal('{"said":"' .. UFFFD .. '"}', answer)
          assert.is_truthy(push:find('"text":"a' .. UFFFD .. 'b"', 1, true), push)
          assert.is_truthy(push:find('"list":["' .. UFFFD .. '"]', 1, true), push)
        end)
      end
    end)
  end

  it("in a handshake is taken with an ill-formed character, too", function()
    client = pomelo.connect(app.ports["connector-1"], "tcp",
      '{"sys":{"type":"spec","version":"1"},"user":{"name":"a\\ud83d\255","list":[]}}')
    assert.are.same({ name = "a" .. UFFFD .. UFFFD, list = {} }, client.hello.user)
  end)
end)
