-- core.dictionary and node:dictionary (core/bind/l_dictionary): route dictionaries as scripts hold
-- them.
local core = require "pomelua.core"

describe("core.dictionary", function()
  -- The vector of protocol 25.4.
  local routes = {
    "chat.renamed.Zed", "chat.renamed.send", "connector.entryHandler._private",
    "connector.entryHandler.enter", "connector.entryHandler.entry",
    "connector.entryHandler.fnprop", "onChat", "onAdd", "chat.renamed.send",
  }
  local codes = { 1, 2, 3, 4, 5, 6, 7, 8, 9 }

  it("knows the code of a route and the route of a code", function()
    local d = assert(core.dictionary(routes, codes))
    assert.equal(9, d:count())
    assert.equal("qGvl+3Dapp/FjaRKE9tv+g==", d:version())
    assert.equal(9, d:code "chat.renamed.send")
    assert.equal("chat.renamed.send", d:route(2))
    assert.equal("onAdd", d:route(8))
    assert.is_nil(d:code "onadd")
    for _, none in ipairs { 0, 10, -1, 65536, 1e300, 0 / 0 } do assert.is_nil(d:route(none)) end
  end)

  it("gives the members of a handshake's answer", function()
    local d = assert(core.dictionary({ "a", "b" }, { 2, 1 }))
    assert.equal('"dict":{"a":2,"b":1},"routeToCode":{"a":2,"b":1},"codeToRoute":{"1":"b","2":"a"}'
      .. ',"dictVersion":"' .. d:version() .. '"', d:fields())
  end)

  it("refuses what cannot be a dictionary, and says why", function()
    local function refused(r, c, name)
      local d, message, code = core.dictionary(r, c)
      assert.is_nil(d)
      assert.is_string(message)
      assert.equal(name, code)
    end
    refused({ "a", "b" }, { 1, 1 }, "EXIST")
    refused({ "" }, { 1 }, "INVAL")
    refused({ "\255" }, { 1 }, "INVAL")
    for _, code in ipairs { 0, -1, 65536, 0 / 0, 1e300 } do refused({ "a" }, { code }, "INVAL") end
    refused({ ("r"):rep(256) }, { 1 }, "TOOBIG")
    local many, numbers = {}, {}
    for i = 1, 65536 do many[i], numbers[i] = "r" .. i, math.min(i, 65535) end
    refused(many, numbers, "TOOBIG")
  end)

  it("raises on wrong types", function()
    assert.has_error(function() core.dictionary() end)
    assert.has_error(function() core.dictionary({}, 1) end)
    assert.has_error(function() core.dictionary({ 1 }, { 1 }) end)
    assert.has_error(function() core.dictionary({ "a" }, { "1" }) end)
    assert.has_error(function() core.dictionary({ "a" }, {}) end)
    local d = core.dictionary({}, {})
    assert.has_error(function() d.version(io.stdout) end)
    assert.has_error(function() d:code() end)
  end)
end)

describe("a node's dictionary", function()
  local node

  before_each(function() node = core.node { id = "c-1", type = "connector", frontend = true } end)
  after_each(function() node:close() end)

  it("is what build gives", function()
    local d = core.dictionary({ "a" }, { 1 })
    assert.equal(d, node:dictionary("", function() return d end))
  end)

  it("is not there when build gives none or raises, and its message is the reason", function()
    local function why(build)
      local d, message, name = node:dictionary("", build)
      assert.is_nil(d)
      assert.equal("INVAL", name)
      return message
    end
    assert.equal("on purpose", why(function() return nil, "on purpose" end))
    assert.matches("raised", why(function() error "raised" end))
    for _, wrong in ipairs { false, 1, "x", {}, io.stdout } do
      assert.is_string(why(function() return wrong end))
    end
  end)

  it("stands for the codes of clients' messages, as long as it is set", function()
    local told = {}
    node:setServers { { id = "c-1", type = "connector", frontend = true } }
    node:entries { message = function(_, _, _, _, _, _, route) told[#told + 1] = route end }
    local sid = node:openSession()
    local function say(code)
      node:clientData(sid, core.write_message { type = 1, code = code, body = "{}" })
    end
    say(7)
    node:setDictionary(core.dictionary({ "connector.a.b" }, { 7 }))
    collectgarbage()
    say(7)
    say(8)
    node:setDictionary(nil)
    say(7)
    assert.same({ "connector.a.b" }, told)
    assert.has_error(function() node:setDictionary(io.stdout) end)
  end)
end)
