-- What a client says when it comes back: its token, and how much it has taken (docs/resume.md).
-- A wrong token touches nothing, a used one is dead, and no value that a stranger makes up does
-- harm. Over real sockets. Tests core/node/resume and lua/pomelua/session/resume.
local cjson = require "cjson"
local core = require "pomelua.core"
local json = require "pomelua.base.json"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"
local resume = require "spec.support.resume"

local line = resume.line

for _, transport in ipairs(pomelo.transports) do
  describe("a client that comes back over " .. transport, function()
    local server, uids = nil, 0

    setup(function()
      server = resume.start {
        resume = "{ grace = 60, bytes = 65536 }", config = "perAddress = false",
      }
    end)
    after_each(pomelo.closeAll)
    teardown(function() server:stop() end)

    local function enter()
      uids = uids + 1
      return resume.enter(server, transport .. uids, { transport = transport })
    end

    local function is_waiting(client)
      for _, event in ipairs(server.events()) do
        assert.is_nil(event:find("closed " .. client.uid, 1, true), event)
      end
      assert.is_true(server.counts().resumeWaiting >= 1)
    end

    it("gets what it has missed, in order, and goes on", function()
      local ann = enter()
      server.ask("push", { i = 1 })
      assert.equal(1, ann:line())
      ann:lose()
      server.ask("push", { i = 2, n = 5 })
      local back = resume.back(ann)
      server.ask("push", { i = 7 })
      for i = 2, 7 do assert.equal(i, back:line()) end
      assert.equal(ann.uid, back:who())
    end)

    it("is answered what it asked before", function()
      local ann = enter()
      local id = ann:ask(line .. "hold", {})
      assert(ann:request(line .. "who", {}))
      ann:lose()
      server.ask("release", { n = 7 })
      local back = resume.back(ann)
      assert.equal(2 + 1, back.resume.received) -- enter, hold, who
      assert.equal(7, assert(back:answer(id)).n)
    end)

    it("comes back from another address", function()
      local ann = enter()
      ann:lose()
      server.ask("push", { i = 1 })
      local back = resume.back(ann, { from = "127.0.0.3" })
      assert.equal(1, back:line())
      assert.equal(ann.uid, back:who())
    end)

    it("comes back over the other transport", function()
      local ann = enter()
      ann:lose()
      server.ask("push", { i = 1 })
      local back = resume.back(ann, { transport = transport == "ws" and "tcp" or "ws" })
      assert.equal(1, back:line())
    end)

    it("takes its session over from a line that still looks open", function()
      local ann = enter()
      server.ask("push", { i = 1, n = 3 })
      local back = resume.back(ann)
      -- The old line was not read meanwhile: what came there counts for nothing.
      for i = 1, 3 do assert.equal(i, back:line()) end
      ann:notify(line .. "tell", {})
      local rest = assert(ann:rest())
      for _, package in ipairs(rest) do assert.not_equal(pomelo.KICK, package.type) end
      server.ask("push", { i = 4 })
      assert.equal(4, back:line())
    end)

    it("runs what was sent before the cut once", function()
      local ann = enter()
      local ran = ann:call("ran").ran
      ann:notify(line .. "tell", {})
      ann:notify(line .. "tell", {})
      local got = ann:call("ran").ran
      assert.equal(ran + 2, got)
      ann:lose()
      local back = resume.back(ann)
      assert.equal(5, back.resume.received)
      assert.equal(got, back:call("ran").ran)
    end)

    it("with a wrong token gets a new session, and the one that waits is as it was", function()
      local ann = enter()
      ann:lose()
      server.ask("push", { i = 1 })
      local before = server.counts()
      local wrong = ann.token:gsub("^.", function(c) return c == "0" and "1" or "0" end)
      local other = resume.anew(ann, { token = wrong })
      assert.is_nil(other:who())
      is_waiting(ann)
      local after = server.counts()
      assert.equal(before.resumeRefused + 1, after.resumeRefused)
      assert.equal(before.resumeWaiting, after.resumeWaiting)
      local back = resume.back(ann)
      assert.equal(1, back:line())
    end)

    it("has a token that is dead once the ACK has come, also for a thief", function()
      local ann = enter()
      ann:lose()
      local back = resume.back(ann)
      assert.equal(ann.uid, back:who())
      local thief = resume.anew(ann)
      assert.is_nil(thief:who())
      assert.equal(ann.uid, back:who())
      back:lose()
      assert.is_nil(resume.anew(ann):who())
      assert.equal(ann.uid, resume.back(back):who())
    end)

    it("may use its token again as long as the ACK has not come", function()
      local ann = enter()
      ann:lose()
      server.ask("push", { i = 1 })
      local half = resume.return_of(ann)
      assert.is_true(half.resume.recovered)
      half.conn:reset()
      local again = resume.return_of(ann)
      assert.is_true(again.resume.recovered)
      again.conn:reset()
      -- The token of an answer whose ACK was lost is good, too.
      again.server = server
      local back = resume.back(again)
      assert.equal(1, back:line())
      assert.equal(ann.uid, back:who())
    end)

    it("that races with another one of the same token leaves one session", function()
      local ann = enter()
      ann:lose()
      server.ask("push", { i = 1 })
      local first, second = resume.return_of(ann), resume.return_of(ann)
      assert.is_true(first.resume.recovered and second.resume.recovered)
      -- The second handshake has taken the session from the first one's line.
      first:ack()
      assert(first:rest())
      second:ack()
      assert.equal(1, second:line())
      assert.equal(ann.uid, second:who())
      assert.is_nil(resume.anew(ann):who())
      assert.is_nil(resume.anew(first):who())
      assert.equal(ann.uid, second:who())
    end)

    -- ---- hostile values ----

    local function raw_hello(text)
      local client = assert(pomelo.open(server.port, transport))
      local body = client:handshake('{"sys":{"type":"spec","version":"1"},"user":{"resume":' .. text
        .. "}}")
      return body and cjson.decode(body), client
    end

    it("with a made up count harms nobody", function()
      local ann = enter()
      ann:lose()
      for _, count in ipairs { "-1", "1e300", '"x"', "0.5", "null", "{}", "true", "4294967296",
        "9007199254740993", "-1e300", "1e-300", "[1]", '"2"' } do
        local said, client = raw_hello(('{"token":"%s","received":%s}'):format(ann.token, count))
        if said then
          assert.is_true(said.code == 200 and said.user.resume.recovered == false
            or said.code ~= 200, count)
        end
        client:close()
      end
      assert.equal(0, server.counts().crashes or 0)
    end)

    it("that has taken more than was sent is not recovered", function()
      local ann = enter()
      ann:lose()
      local new = resume.anew(ann, { received = ann.taken + 1 })
      assert.is_nil(new:who())
    end)

    it("with a made up token harms nobody", function()
      local ann = enter()
      ann:lose()
      local before = server.counts()
      for _, token in ipairs { '""', "0", "null", "[]", "{}", "true", '"' .. ("0"):rep(31) .. '"',
        '"' .. ("0"):rep(33) .. '"', '"' .. ("\\u0000"):rep(32) .. '"',
        '"' .. ann.token:upper() .. 'x"', '"' .. ("z"):rep(3000) .. '"' } do
        local said, client = raw_hello(('{"token":%s,"received":0}'):format(token))
        assert.is_true(said ~= nil, token:sub(1, 40))
        assert.equal(200, said.code)
        assert.is_false(said.user.resume.recovered)
        client:close()
      end
      assert.equal(before.resumeWaiting, server.counts().resumeWaiting)
      assert.equal(ann.uid, resume.back(ann):who())
    end)

    it("with other values in the place of an object is let in as one that says nothing", function()
      for _, text in ipairs { "true", "1", '"x"', "[]", "null", "[[]]" } do
        local said, client = raw_hello(text)
        assert.equal(200, said.code, text)
        client:ack()
        assert(client:request(line .. "who", {}))
        client:close()
      end
    end)

    it("with a token of 1 MiB is closed like every handshake that is too long", function()
      local ann = enter()
      ann:lose()
      local client = assert(pomelo.open(server.port, transport))
      client:package(pomelo.HANDSHAKE, ('{"sys":{},"user":{"resume":{"token":"%s"}}}')
        :format(("0"):rep(1048576)))
      assert.is_true(client.conn:waitClosed())
      is_waiting(ann)
      assert.equal(ann.uid, resume.back(ann):who())
    end)

    it("a thousand times with wrong tokens costs those who wait nothing", function()
      local ann = enter()
      ann:lose()
      local before = server.counts()
      for i = 1, 1000 do
        local client = assert(pomelo.open(server.port, transport))
        client:package(pomelo.HANDSHAKE, ('{"sys":{},"user":{"resume":{"token":"%032x",'
          .. '"received":0}}}'):format(i))
        if i % 50 == 0 then assert(client:next()) end
        client:close()
      end
      assert(net.wait(function()
        return server.counts().resumeRefused == before.resumeRefused + 1000
      end, 10000), server.counts().resumeRefused - before.resumeRefused)
      assert.equal(before.resumeWaiting, server.counts().resumeWaiting)
      assert.equal(ann.uid, resume.back(ann):who())
    end)
  end)
end

describe("a client that comes back to a server with auth", function()
  local SECRET = ("0123456789abcdef"):rep(2)
  local server

  local function token(sub, secret, a)
    local keys = assert(core.tokenKeys { { alg = "HS256", text = secret or SECRET } })
    return assert(keys:sign(1, ('{"sub":"%s","exp":%d,"a":%s}'):format(sub, os.time() + 60,
      a or 1)))
  end

  setup(function()
    server = resume.start {
      config = ('auth = { keys = { { alg = "HS256", key = %q } } }'):format(SECRET),
      hello = function()
        return assert(json.encode { sys = {}, user = { token = token "boss" } })
      end,
    }
  end)
  after_each(pomelo.closeAll)
  teardown(function() server:stop() end)

  local function enter(uid)
    local client = resume.shake(server, {}, { user = { token = token(uid) } })
    assert.equal(200, client.said.code)
    client:ack()
    client.uid = uid
    assert(client:request(line .. "enter", { uid = uid }))
    return client
  end

  it("shows its own token of the game, or is refused, and nothing is touched", function()
    local ann = enter "ann"
    ann:lose()
    server.ask("push", { i = 1 })
    assert.equal(401, resume.return_of(ann, { user = { token = token "bob" } }).said.code)
    assert.equal(401, resume.return_of(ann, { user = { token = token("ann", SECRET:reverse()) } })
      .said.code)
    assert.equal(401, resume.return_of(ann).said.code)
    for _, a in ipairs { ("["):rep(31) .. ("]"):rep(31), "1e999" } do -- no settings
      local said = resume.return_of(ann, { user = { token = token("ann", nil, a) } }).said
      assert.equal(401, said.code)
    end
    assert.equal(1, server.counts().resumeWaiting)
    local back = resume.return_of(ann, { user = { token = token "ann" } })
    assert.is_true(back.resume.recovered)
    back:ack()
    assert.equal(1, back:line())
    assert.equal("ann", back:who())
  end)
end)

describe("what the game says at the handshake", function()
  local server

  setup(function()
    server = resume.start {
      config = [[
        checkClient = function(_, version) return version ~= "old" end,
        handshake = function(msg, cb, session)
          app:set("shaken", (app:get("shaken") or 0) + 1)
          if msg.user and msg.user.refuse then return cb(true) end
          cb(nil, { uid = session.uid, id = session.id, resume = "the game's" })
        end
      ]],
    }
  end)
  after_each(pomelo.closeAll)
  teardown(function() server:stop() end)

  it("is asked with the session that the client will have, at each connection", function()
    local ann = resume.enter(server, "ann")
    local id = ann.said.user.id
    ann:lose()
    local back = resume.back(ann)
    assert.equal("ann", back.said.user.uid)
    assert.equal(id, back.said.user.id)
    assert.equal("ann", back:who())
  end)

  it("may refuse, and nothing is touched", function()
    local ann = resume.enter(server, "bob")
    ann:lose()
    local waiting = server.counts().resumeWaiting
    assert.equal(500, resume.return_of(ann, { user = { refuse = true } }).said.code)
    assert.equal(waiting, server.counts().resumeWaiting)
    local back = resume.back(ann)
    assert.equal("bob", back:who())
  end)

  it("keeps its own field of that name for a client that asks nothing", function()
    local client = pomelo.connect(server.port)
    assert.equal("the game's", client.hello.user.resume)
  end)
end)
