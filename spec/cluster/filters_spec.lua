-- Global filters around real clients' messages, forwarded ones among them; and filters of calls.

local both = require "spec.support.both"

local SETTINGS = [[
  app:configure("all", "connector", function()
    local seen = {}
    app:set("seen", seen)
    app:globalFilter {
      before = function(_, msg, session)
        seen[#seen + 1] = msg.route
        if msg.body.args == "refuse" then return nil, { code = 401 } end
        if msg.body.args == "change" then
          msg.body.args = "changed"
          session:set("by", "filter")
        end
      end,
      after = function(_, err, msg, session, resp)
        seen[#seen + 1] = resp and resp.code or "no code"
      end,
    }
  end)
  app:configure("all", "chat", function()
    app:before(function(msg, session) session.area = "north" end)
    app:rpcBefore(function(serverId, msg, opts, next) next("room-2") end)
  end)
]]

both.describe("filters", function(start)
  local app, client

  setup(function() app = start(SETTINGS) end)
  teardown(function() app:finish() end)
  before_each(function() client = app:client() end)
  after_each(function() app:clear() end)

  local function seen() return client:run("connector", "return app:get('seen')") end

  it("see, change and refuse messages for other servers", function()
    assert.are.same({ "changed", "filter", "north" },
      client:run("chat", "return { args, session:get('by'), session.area }", "change"))
    local list = seen()
    assert.are.equal("chat.probe.run", list[#list - 2])
    assert.are.same({ code = 401 }, client:run("chat", "return 1", "refuse"))
  end)

  it("send calls elsewhere", function()
    assert.are.equal("room-2", client:run("chat", [[
      return pomelua.await(function(cb)
        app.rpc.room.probe.run.toServer("room-1", "cb(nil, app:getServerId())", cb)
      end)
    ]]))
  end)
end)
