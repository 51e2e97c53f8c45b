-- What becomes of a session whose client has lost its line: it waits for the grace and no longer,
-- and a stop, another login or the end of its token end it at once; a reload does not.
-- See docs/resume.md. What else ends one: spec/net/resume_ends_spec.lua.
-- Tests core/node/resume and lua/pomelua/session/resume.
-- It measures nothing: another one may run beside it.
local app = require "spec.support.app"
local core = require "pomelua.core"
local json = require "pomelua.base.json"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local resume = require "spec.support.resume"
local tree = require "spec.support.tree"

local line = resume.line

describe("a session that waits for its client", function()
  local server

  local function start(opts)
    server = resume.start(opts)
    return server
  end

  after_each(function()
    pomelo.closeAll()
    server:stop { app.CUT }
  end)

  local function pomelua(...)
    local args = { ... }
    args[#args + 1], args[#args + 2] = "-d", server.dir
    local tool = net.spawn(net.built("pomelua"), args)
    assert(tool:waitExit(app.patience) == 0, tool.out .. tool.err)
    return tool.out
  end

  local function ended(reason, uid)
    server.heard(("closed %s %s"):format(uid or "ann", reason))
    assert.same({}, server.members())
    local counts = server.counts()
    assert.equal(0, counts.resumeWaiting)
    assert.equal(0, counts.resumeBytes)
  end

  -- What a listener is told of a TCP client's end.
  local REASON = { rst = "true", fin = "false" }

  for _, way in ipairs { "rst", "fin" } do
    it("is a member until its grace is over, and no longer, after " .. way, function()
      start { resume = "{ grace = 2 }" }
      local ann = resume.enter(server, "ann")
      local from = net.ms()
      ann:lose(way)
      assert.same({ "lost ann" }, server.events())
      while net.ms() - from < 1500 do
        assert.same({ "ann" }, server.members())
        assert.same({ "lost ann" }, server.events())
      end
      ended(REASON[way])
      assert.is_true(net.ms() - from >= 2000, "it ended " .. net.ms() - from .. " ms after the cut")
      assert.same(1, server.counts().resumeExpired)
      assert.is_nil(resume.anew(ann):who())
    end)
  end

  it("keeps the grace that began at the first cut when it comes back without an ACK", function()
    start { resume = "{ grace = 2 }" }
    local ann = resume.enter(server, "ann")
    ann:lose()
    local from, tries = net.ms(), 0
    repeat
      local half = resume.return_of(ann)
      if half.resume.recovered then tries = tries + 1 end
      half.conn:reset()
    until not half.resume.recovered or net.ms() - from > 6000
    local took = net.ms() - from
    assert.is_true(tries >= 2 and took > 1500 and took < 5000, tries .. " tries, ms " .. took)
    server.heard "closed ann true"
    assert.same({}, server.members())
  end)

  it("ends by another login of its user, with kick-old", function()
    start { code = 'app:set("sessionConfig", { singleSession = "kick-old" })' }
    local ann = resume.enter(server, "ann")
    ann:lose()
    local other = resume.enter(server, "ann")
    server.heard "closed ann kick"
    assert.is_nil(resume.anew(ann):who())
    assert.equal("ann", other:who())
    assert.same({ "ann" }, server.members())
  end)

  it("ends by a stop in order, which does not wait for it", function()
    start { resume = "{ grace = 600 }" }
    local ann = resume.enter(server, "ann")
    ann:lose()
    local from = net.ms()
    server:terminate()
    assert.equal(0, server.process:waitExit(app.patience))
    assert.is_true(net.ms() - from < 5000)
  end)

  it("ends by a stop of its server", function()
    start {
      resume = "{ grace = 600 }",
      files = {
        ["config/servers.json"] = [[{
          "connector": [
            {"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true},
            {"id": "connector-2", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
          "chat": [{"id": "chat-1", "host": "127.0.0.1"}]
        }]],
        ["app/servers/chat/handler/lineHandler.lua"] = [[
          local gone = {}
          return function(app)
            local Handler, watched = {}, {}
            local room = app:get("channelService"):getChannel("there", true)
            function Handler:enter(msg, session)
              room:add(msg.uid, session.frontendId)
              return { code = 200 }
            end
            function Handler:members() return { list = room:getMembers() } end
            return Handler
          end
        ]],
      },
    }
    local second = setmetatable({ port = server.ports["connector-2"] }, { __index = server })
    local ann = resume.enter(second, "ann")
    assert(ann:request("chat.lineHandler.enter", { uid = "ann" }))
    ann.conn:reset()
    pomelua("stop", "connector-2")
    local control, list = pomelo.connect(server.port), nil
    assert(net.wait(function()
      list = control:request("chat.lineHandler.members", {}).list
      return #list == 0
    end))
    assert.is_nil(server.process.err:find("had to be cut", 1, true))
  end)

  it("lives through a reload of its handlers", function()
    start { server = "reload = false" }
    local ann = resume.enter(server, "ann")
    assert.equal(1, ann:call("generation").n)
    ann:lose()
    server.ask("push", { i = 1 })
    tree.write(server.dir, resume.HANDLER,
      (resume.handler:gsub("generation%(%) return { n = 1 }", "generation() return { n = 2 }")))
    pomelua "reload"
    server.ask("push", { i = 2 })
    local back = resume.back(ann)
    assert.equal(1, back:line())
    assert.equal(2, back:line())
    assert.equal(2, back:call("generation").n)
    assert.equal("ann", back:who())
  end)

  it("lives through a restart of a backend", function()
    start()
    local ann = resume.enter(server, "ann")
    assert.equal("ann", ann:request("chat.lineHandler.who", {}).uid)
    ann:lose()
    pomelua("restart", "chat-1")
    local back = resume.back(ann)
    local answer
    assert(net.wait(function()
      answer = back:request("chat.lineHandler.who", {})
      return answer.uid
    end))
    assert.same({ uid = "ann", set = "ann" }, answer)
  end)

  it("lives through a reload that changes the file of the dictionary, which changes no number",
    function()
      start { config = "useDict = true", server = "reload = false" }
      local ann = resume.enter(server, "ann")
      ann:lose()
      tree.write(server.dir, "config/dictionary.json", '["onOther"]')
      pomelua("reload")
      local back = resume.back(ann)
      assert.same(ann.said.sys.dict, back.said.sys.dict)
      assert.equal("ann", back:who())
    end)

  it("ends when its client comes back to other definitions", function()
    start {
      config = "useProtobuf = true", server = "reload = false",
      files = { ["config/serverProtos.json"] = '{"onAny":{"optional uInt32 n":1}}' },
    }
    local ann = resume.enter(server, "ann")
    ann:lose()
    tree.write(server.dir, "config/serverProtos.json",
      '{"onAny":{"optional uInt32 n":1,"optional string s":2}}')
    pomelua("reload")
    local new = resume.anew(ann)
    ended "resume"
    assert.is_nil(new:who())
  end)

  it("ends when its token expires", function()
    local SECRET = ("0123456789abcdef"):rep(2)
    local function token(sub, seconds)
      local keys = assert(core.tokenKeys { { alg = "HS256", text = SECRET } })
      return assert(keys:sign(1, assert(json.encode { sub = sub, exp = os.time() + seconds })))
    end
    -- The session ends 25 seconds behind exp: this one is nearly over.
    start {
      config = ('auth = { keys = { { alg = "HS256", key = %q } }, leeway = 25 }'):format(SECRET),
      hello = function()
        return assert(json.encode { sys = {}, user = { token = token("control", 60) } })
      end,
    }
    local ann = resume.shake(server, {}, { user = { token = token("ann", -22) } })
    assert.equal(200, ann.said.code)
    ann:ack()
    assert(ann:request(line .. "enter", { uid = "ann" }))
    ann:lose()
    ended "expired"
    local new = resume.return_of(ann, { user = { token = token("ann", 60) } })
    assert.is_false(new.resume.recovered)
  end)
end)
