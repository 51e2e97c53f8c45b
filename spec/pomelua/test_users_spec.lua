-- The users of several frontends in the test kit: those of a backend are played, and so are the
-- other frontends of a frontend. Tests test/frontends.lua and test/bans.lua.
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local APP = [[
local app = require("pomelua").createApp()
app:set("sessionConfig", { singleSession = "kick-old" })
app:start()
]]

local HANDLER = [[
return function(app)
  local Handler = {}
  function Handler:enter(msg, session)
    local ok, err = session:bind(msg.uid)
    return { ok = ok, err = err and err.message }
  end
  function Handler:where(msg)
    local list, text = app:locate(msg.uid), {}
    for i, place in ipairs(list) do text[i] = place.frontendId .. ":" .. #place.sids end
    table.sort(text)
    return { text = table.concat(text, " ") }
  end
  function Handler:kick(msg)
    local ended, silent = app:kick(msg.uid, msg.reason)
    return { ended = ended, silent = #silent }
  end
  function Handler:ban(msg)
    local ended, silent = app:ban(msg.uid, { time = "1h" })
    return { ended = ended, silent = #silent }
  end
  return Handler
end
]]

local FILES = {
  ["app.lua"] = APP,
  ["app/servers/connector/handler/h.lua"] = HANDLER,
  ["app/servers/chat/handler/h.lua"] = HANDLER,
  ["config/servers.json"] = [[{
    "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 3050, "frontend": true},
      {"id": "connector-2", "host": "127.0.0.1", "clientPort": 3051, "frontend": true}],
    "chat": [{"id": "chat-1", "host": "127.0.0.1"}]}]],
}

describe("users of several frontends in a spec", function()
  local dir, server

  setup(function() dir = tree.new(FILES) end)
  teardown(function() tree.remove(dir) end)
  after_each(function() server:close() end)

  local function ask(method, msg, session)
    return server:request(server.inner.type .. ".h." .. method, msg, session)
  end

  it("have one session on a backend's frontends with kick-old", function()
    server = test.server { base = dir, type = "chat" }
    local one, two = { frontendId = "connector-1" }, { frontendId = "connector-2" }
    assert.same({ ok = true }, ask("enter", { uid = "ann" }, one))
    assert.equal("connector-1:1", ask("where", { uid = "ann" }, two).text)
    assert.same({ ok = true }, ask("enter", { uid = "ann" }, two))
    local kicked = server:kicked()
    assert.equal(1, #kicked)
    assert.same({ one.id, "kick" }, { kicked[1].sid, kicked[1].reason })
    assert.equal("connector-2:1", ask("where", { uid = "ann" }, two).text)
    local three = { frontendId = "connector-2" }
    assert.same({ ok = true }, ask("enter", { uid = "ann" }, three))
    assert.equal(two.id, server:kicked()[1].sid)
    assert.has_error(function() ask("where", {}, one) end)
  end)

  it("are kicked and banned on all of them, with the number of sessions", function()
    server = test.server { base = dir, type = "chat" }
    local other = { uid = "other" }
    for i = 1, 2 do
      ask("where", { uid = "x" }, { uid = "bob", frontendId = "connector-" .. i })
    end
    assert.equal("connector-1:1 connector-2:1", ask("where", { uid = "bob" }, other).text)
    assert.same({ ended = 2, silent = 0 }, ask("kick", { uid = "bob", reason = "bye" }, other))
    local kicked = server:kicked()
    assert.same({ 2, "bye" }, { #kicked, kicked[1].reason })
    ask("where", { uid = "x" }, { uid = "cid", frontendId = "connector-2" })
    assert.same({ ended = 1, silent = 0 }, ask("ban", { uid = "cid" }, other))
  end)

  it("are found on a frontend and on those that it does not run", function()
    server = test.server { base = dir, type = "connector", id = "connector-1" }
    local ann = {}
    assert.same({ ok = true }, ask("enter", { uid = "ann" }, ann))
    local again = {}
    assert.same({ ok = true }, ask("enter", { uid = "ann" }, again))
    assert.equal(ann.id, server:kicked()[1].sid)
    assert.equal("connector-1:1", ask("where", { uid = "ann" }, again).text)
    assert.same({ ended = 0, silent = 0 }, ask("kick", { uid = "bob" }, again))
    assert.same({}, server:calls()) -- none that a spec has to answer
  end)
end)
