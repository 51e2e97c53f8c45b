-- Sessions as a node's scripts see them (core/bind/l_session).
local core = require "pomelua.core"
local push = require "spec.support.push"

describe("the sessions of a node", function()
  local node, other

  before_each(function()
    node = core.node { id = "connector-1", type = "connector", frontend = true }
    other = core.node { id = "connector-2", type = "connector", frontend = true }
  end)

  after_each(function()
    node:close()
    other:close()
  end)

  local function fails(name, message, ok, text, got)
    assert.is_nil(ok)
    assert.equal(message, text)
    assert.equal(name, got)
  end

  it("have ids that are never given twice", function()
    local seen = {}
    for _ = 1, 1000 do
      local sid = node:openSession()
      assert.is_nil(seen[sid])
      seen[sid] = true
      node:closeSession(sid)
    end
    assert.same({}, node:sids())
  end)

  it("are listed, in the order of opening while none has been closed", function()
    local a, b, c = node:openSession(), node:openSession(), node:openSession()
    assert.same({ a, b, c }, node:sids())
    node:closeSession(b)
    assert.same({ a, c }, node:sids())
    assert.same({}, other:sids())
  end)

  it("are unbound and without settings at first", function()
    local sid = node:openSession()
    local uid, settings, there = node:session(sid)
    assert.is_nil(uid)
    assert.is_nil(settings)
    assert.is_true(there)
  end)

  it("are told from ids that are none", function()
    local sid = node:openSession()
    node:closeSession(sid)
    for _, id in ipairs { sid, 0, -1, 1, sid + 0.5, 2 ^ 53, 2 ^ 60, 1e300, -1e300, 1 / 0, 0 / 0 } do
      local uid, settings, there = node:session(id)
      assert.is_nil(uid)
      assert.is_nil(settings)
      assert.is_false(there)
      assert.is_false(node:kick(id, "x"))
      assert.is_false(node:watchClosed(id))
      assert.is_nil((node:address(id)))
      assert.equal("NOENT", select(3, node:bind(id, "ann")))
      assert.equal("NOENT", select(3, node:unbind(id, "ann")))
      assert.equal("NOENT", select(3, node:setSettings(id, "{}")))
    end
    fails("NOENT", "session does not exist, sid: " .. sid, node:bind(sid, "ann"))
  end)

  it("are bound once, in Pomelo's words", function()
    local sid = node:openSession()
    assert.is_true(node:bind(sid, "ann"))
    assert.is_true(node:bind(sid, "ann"))
    fails("BOUND", "session has already bind with ann", node:bind(sid, "bob"))
    fails("NOENT", "session has not bind with ann", node:unbind(sid, "bob"))
    assert.is_true(node:unbind(sid, "ann"))
    fails("NOENT", "session has not bind with null", node:unbind(sid, "ann"))
    assert.is_true(node:bind(sid, "bob"))
    assert.equal("bob", (node:session(sid)))
  end)

  it("give a uid back as it was given", function()
    local cases = { 7, "7", 0, -5, 1.5, 0.1, 1e21, 2 ^ 53, 123456789.25, "", "\0a\255" }
    for _, uid in ipairs(cases) do
      local sid = node:openSession()
      if uid == "" then
        assert.equal("INVAL", select(3, node:bind(sid, uid)))
      else
        assert.is_true(node:bind(sid, uid))
        assert.equal(uid, (node:session(sid)))
      end
    end
  end)

  it("take 7 and \"7\" for the same user", function()
    local a, b = node:openSession(), node:openSession()
    node:bind(a, 7)
    assert.is_true(node:bind(a, "7"))
    assert.equal(7, (node:session(a)))
    node:bind(b, "7")
    assert.same({ a, b }, node:sidsOf(7))
    assert.same({ a, b }, node:sidsOf("7"))
    local c, d = node:openSession(), node:openSession()
    node:bind(c, 0.1)
    assert.is_true(node:bind(c, "0.1"))
    node:bind(d, -0.0)
    assert.is_true(node:bind(d, "0"))
  end)

  it("refuse what is no uid", function()
    local sid = node:openSession()
    for _, uid in ipairs { {}, true, print, 0 / 0, 1 / 0, -1 / 0, ("x"):rep(4097) } do
      assert.equal("INVAL", select(3, node:bind(sid, uid)))
      assert.equal("INVAL", select(3, node:unbind(sid, uid)))
      assert.same({}, node:sidsOf(uid))
    end
    assert.equal("INVAL", select(3, node:bind(sid)))
    assert.is_true(node:bind(sid, ("x"):rep(4096)))
  end)

  it("of one uid are listed in the order of binding", function()
    local a, b, c = node:openSession(), node:openSession(), node:openSession()
    for _, sid in ipairs { c, a, b } do node:bind(sid, "ann") end
    assert.same({ c, a, b }, node:sidsOf("ann"))
    node:unbind(a, "ann")
    assert.same({ c, b }, node:sidsOf("ann"))
    node:closeSession(c)
    assert.same({ b }, node:sidsOf("ann"))
    assert.same({}, node:sidsOf("bob"))
    assert.same({}, other:sidsOf("ann"))
  end)

  it("keep settings as text", function()
    local sid = node:openSession()
    assert.is_true(node:setSettings(sid, '{"a":1}'))
    assert.equal('{"a":1}', select(2, node:session(sid)))
    assert.is_true(node:setSettings(sid, nil))
    assert.is_nil((select(2, node:session(sid))))
    assert.error(function() node:setSettings(sid, {}) end)
  end)

  it("are kicked with a reason, or closed without", function()
    local a, b = node:openSession(), node:openSession()
    assert.is_true(node:kick(a, "kick"))
    assert.is_false(node:kick(a, "again")) -- gone at once
    assert.is_true(node:kick(b))
    assert.same({
      { sid = a, kind = "kick", bytes = "kick" }, { sid = b, kind = "close" },
    }, node:sent())
    assert.same({}, node:sids())
    node:settle()
    assert.same({}, node:sids())
    assert.is_false(node:kick(a, "kick"))
    assert.equal("NOENT", select(3, node:clientData(a, "\0\1\0")))
    assert.is_false(node:closeSession(a))
  end)

  it("are found, counted, bound and pushed to no more once kicked, before they end", function()
    local ended = {}
    local function note(...) ended = { ... } end
    node:entries { closed = note }
    local a, b = node:openSession(), node:openSession()
    assert.is_true(node:bind(a, "ann"))
    assert.is_true(node:setSettings(a, '{"x":1}'))
    node:watchClosed(a)
    node:kick(a, "other login")
    assert.same({}, node:sidsOf("ann"))
    assert.same({ b }, node:sids())
    assert.equal(1, node:counts().sessions)
    assert.equal(0, node:counts().bound)
    assert.equal("NOENT", select(3, node:bind(a, "ann")))
    assert.equal("NOENT", select(3, node:unbind(a, "ann")))
    assert.is_true(node:bind(b, "ann"))
    assert.same({ b }, node:sidsOf("ann"))
    assert.same({}, ended)
    node:settle()
    assert.same({ a, "ann", '{"x":1}', "other login" }, ended)
    assert.same({ b }, node:sidsOf("ann"))
  end)

  it("may kick any of them while a broadcast asks for each", function()
    local sids, asked = {}, {}
    for i = 1, 6 do sids[i] = node:openSession() end
    node:entries { filter = function(sid)
      asked[#asked + 1] = sid
      if sid == sids[2] then
        for _, k in ipairs { 1, 2, 3, 6 } do node:kick(sids[k], "x") end
      end
      return true
    end }
    push.broadcast(node, { node:id() }, "onAll", { a = 1 }, { filterParam = "1" }, 0)
    assert.same({ sids[1], sids[2], sids[4], sids[5] }, asked)
    assert.same({ sids[4], sids[5] }, node:sids())
  end)

  it("tell their end once, when somebody watches", function()
    local ends = {}
    node:entries { closed = function(...) ends[#ends + 1] = { n = select("#", ...), ... } end }
    local a, b, c = node:openSession(), node:openSession(), node:openSession()
    assert.is_true(node:watchClosed(a))
    node:watchClosed(a)
    node:watchClosed(b)
    node:bind(a, 7)
    node:setSettings(a, '{"x":1}')
    node:kick(a, "over")
    node:closeSession(a) -- closing already
    assert.same({}, ends)
    node:settle()
    node:closeSession(b, "slow")
    node:closeSession(c)
    assert.same({
      { n = 4, a, 7, '{"x":1}', "over" }, { n = 4, b, nil, nil, "slow" },
    }, ends)
  end)

  it("are gone before their end is told", function()
    local told
    local sid = node:openSession()
    node:bind(sid, "ann")
    node:watchClosed(sid)
    node:entries { closed = function(id, uid)
      told = { id, uid, (select(3, node:session(id))), #node:sidsOf("ann"), node:kick(id) }
      node:openSession()
    end }
    node:closeSession(sid)
    assert.same({ sid, "ann", false, 0, false }, told)
    assert.equal(1, #node:sids())
  end)

  it("have an address", function()
    local ip, port = node:address(node:openSession())
    assert.equal("127.0.0.1", ip)
    assert.is_number(port)
  end)

  it("are counted", function()
    node:bind(node:openSession(), "ann")
    node:openSession()
    local counts = node:counts()
    assert.equal(2, counts.sessions)
    assert.equal(1, counts.bound)
    assert.equal(0, other:counts().sessions)
  end)

  it("are nobody's under ids of other types", function()
    for _, id in ipairs { "x", "1", {}, true, print } do
      assert.is_false((select(3, node:session(id))))
      assert.equal("NOENT", (select(3, node:bind(id, "x"))))
      assert.equal("NOENT", (select(3, node:unbind(id, "x"))))
      assert.equal("NOENT", (select(3, node:setSettings(id, "{}"))))
      assert.is_false(node:kick(id, "x"))
      assert.is_nil(node:address(id))
      assert.is_false(node:watchClosed(id))
    end
    assert.is_false((select(3, node:session())))
    for _, method in ipairs { "clientData", "closeSession" } do -- a spec's, which is wrong
      assert.error(function() node[method](node, {}, "x") end)
      assert.error(function() node[method](node) end)
    end
    for _, method in ipairs {
      "session", "bind", "unbind", "setSettings", "kick", "address", "watchClosed", "clientData",
      "closeSession",
    } do
      assert.error(function() node[method]({}, 1, "x") end)
      assert.error(function() node[method]() end)
    end
  end)
end)
