-- Members of channels that leave when their sessions end, with real servers, frontends and clients.
local net = require "spec.support.net"
local both = require "spec.support.both"

local patience = require("spec.support.app").patience

local SETTINGS = [[
  app:configure("all", "chat", function()
    local left = require("pomelua").array()
    app:set("left", left)
    app:set("channelConfig", {
      autoLeave = true,
      removeEmpty = true,
      onLeave = function(channel, uid, sid, reason)
        left[#left + 1] = uid .. " " .. channel.name .. " " .. sid .. " " .. reason
        channel:pushMessage("onLeave", { uid = uid })
      end,
    })
  end)
]]

-- A server of the type room has no settings of channels.
local MEMBERS = [[
  local channel = app:get("channelService"):getChannel(args)
  return channel and channel:getMembers() or { "none" }
]]

both.describe("a member whose client goes", function(start)
  local app, boss

  setup(function() app = start(SETTINGS) end)
  teardown(function() app:finish() end)
  before_each(function() boss = app:client("gate-1") end)
  after_each(function() app:clear() end)

  -- The text runs on the first server of a type, whoever asks.
  local function here(stype, text, args)
    return boss:run(stype, text, args, { to = stype .. "-1" })
  end

  local function becomes(stype, name, expected)
    local last
    assert(net.wait(function()
      last = table.concat(here(stype, MEMBERS, name), " ")
      return last == expected or nil
    end, patience), name .. " holds " .. tostring(last))
  end

  -- Adds a user, whom the server of the type finds by its frontend.
  local function add(stype, name, uid, sid)
    here(stype, [[
      app:get("channelService"):createChannel(args[1]):add(args[2], args[3])
      return 1
    ]], { name, uid, sid })
  end

  it("has left all channels, and the others hear of it", function()
    local ann = app:client("connector-1", { uid = "ann" })
    local bob = app:client("connector-2", { uid = "bob", ws = true })
    for _, name in ipairs { "red", "blue" } do
      add("chat", name, "ann", "connector-1")
      add("chat", name, "bob", "connector-2")
    end
    add("chat", "alone", "ann", "connector-1")
    ann:close()
    becomes("chat", "red", "bob")
    becomes("chat", "blue", "bob")
    becomes("chat", "alone", "none")
    local heard = {}
    for i = 1, 2 do heard[i] = assert(bob:push()).route end
    assert.same({ "onLeave", "onLeave" }, heard)
    assert.equal("", (bob:pushed()))
    local left = here("chat", "return app:get('left')")
    table.sort(left)
    assert.same({ "ann alone connector-1 closed", "ann blue connector-1 closed",
      "ann red connector-1 closed" }, left)
    bob:close()
    becomes("chat", "red", "none")
  end)

  it("stays with another session of the user on that frontend, and as long", function()
    local one = app:client("connector-1", { uid = "cid" })
    local two = app:client("connector-1", { uid = "cid" })
    add("chat", "room", "cid", "connector-1")
    becomes("chat", "room", "cid")
    one:close()
    -- The frontend has seen the end when another client that came later has been served.
    app:client("connector-1", { uid = "dan" }):run(nil, "return 1")
    becomes("chat", "room", "cid")
    two:close()
    becomes("chat", "room", "none")
  end)

  it("stays where nobody has asked for it, but leaves with a session that it came with", function()
    local eve = app:client("connector-1", { uid = "eve" })
    eve:run("room", [[
      local service = app:get("channelService")
      service:createChannel("tied"):add(session)
      service:createChannel("plain"):add(session.uid, session.frontendId)
      return 1
    ]], nil, { to = "room-1" })
    becomes("room", "tied", "eve")
    eve:close()
    becomes("room", "tied", "")
    becomes("room", "plain", "eve")
  end)

  it("never stays, however fast users come and go", function()
    for i = 1, 30 do
      local fay = app:client("connector-" .. i % 3 + 1, { uid = "fay" })
      fay:askRun("room", [[
        app:get("channelService"):createChannel("busy"):add(session)
        return 1
      ]], nil, { to = "room-1" })
      fay:close() -- before or after the server has it
    end
    becomes("room", "busy", "")
  end)
end)
