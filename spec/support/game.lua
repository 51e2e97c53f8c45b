-- A small game that a spec under bad conditions plays: members of a room who get numbered pushes,
-- and who ask requests that two servers answer. Counts what is lost, doubled or wrong.
--
--   local game = require("spec.support.game").start { members = 6, env = {…} }
--   game:round()         a push to the room, and a request of each member to both servers
--   game:finish()        status 0 and no surprise in the log

local assert = require "luassert"

local app = require "spec.support.app"
local net = require "spec.support.net"
local pomelo = require "spec.support.pomelo"

local FILES = {
  ["app.lua"] = [[
    %s
    local app = require("pomelua").createApp()
    app:set("connectorConfig", { ioUring = %s })
    %s
    app:start()
  ]],
  ["config/servers.json"] = [[{"development": {
    "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
    "chat": [{"id": "chat-1", "host": "127.0.0.1"}]
  }}]],
  ["app/servers/connector/handler/entryHandler.lua"] = [[
    local Handler = {}
    function Handler:enter(msg, session)
      session:bind(msg.uid)
      return { code = 200 }
    end
    function Handler:twice(msg) return { code = 200, n = msg.n * 2, pad = msg.pad } end
    function Handler:note() print("noted") return { code = 200 } end
    return Handler
  ]],
  ["app/servers/chat/handler/chatHandler.lua"] = [[
    return function(app)
      local Handler = {}
      local room = app:get("channelService"):getChannel("room", true)
      function Handler:join(_, session)
        room:add(session.uid, session.frontendId)
        return { code = 200 }
      end
      function Handler:say(msg)
        room:pushMessage("onSay", { n = msg.n, pad = ("x"):rep(msg.size) })
        return { code = 200 }
      end
      function Handler:twice(msg)
        local list = {}
        for i = 1, 100 do list[i] = { i, tostring(i) } end
        return { code = 200, n = #list / 50 * msg.n, pad = msg.pad }
      end
      return Handler
    end
  ]],
}

local Game = {}
Game.__index = Game

---Starts the server, and members that are in the room: by TCP and by WebSocket in turn.
---@param opts table members; env; ioUring (default true); first, code: Lua code for app.lua
---@return table game members, server
local function start(opts)
  local files = {}
  for path, text in pairs(FILES) do files[path] = text end
  files["app.lua"] = FILES["app.lua"]:format(opts.first or "", tostring(opts.ioUring ~= false),
    opts.code or "")
  local self = setmetatable({ members = {}, players = {}, said = 0 }, Game)
  self.server = app.start(files, { env = opts.env })
  for i = 1, opts.members do
    self.members[i] = self:enter("u" .. i, i % 2 == 0 and "ws" or "tcp")
  end
  return self
end

---One more member of the room.
---@param uid string
---@param transport string
---@return table client of spec/support/pomelo
function Game:enter(uid, transport)
  local client = pomelo.connect(self.server.ports["connector-1"], transport)
  assert.same({ code = 200 }, client:request("connector.entryHandler.enter", { uid = uid }))
  assert.same({ code = 200 }, client:request("chat.chatHandler.join", {}))
  self.players[#self.players + 1] = client
  return client
end

-- What a member gets: each of `wanted` (message id to body) once, in any order, and the push.
local function collect(member, wanted, n, size)
  local pushed = false
  while next(wanted) or not pushed do
    local m = assert(member:nextMessage(app.patience))
    if m.type == pomelo.PUSH then
      assert.same({ false, n, size }, { pushed, m.msg.n, #m.msg.pad })
      pushed = true
    else
      assert.same(wanted[m.id], m.msg)
      wanted[m.id] = nil
    end
  end
end

---One push to the room, which every member gets once, and a request of every member to
---both servers, which gets its own answer.
---@param size integer bytes of the push's body
function Game:round(size)
  self.said = self.said + 1
  local n = self.said
  local wanted = {}
  for i, member in ipairs(self.members) do
    local pad = ("p"):rep(n % 50 * i)
    local here = member:ask("connector.entryHandler.twice", { n = n + i, pad = pad })
    local there = member:ask("chat.chatHandler.twice", { n = n - i, pad = pad })
    wanted[i] = {
      [here] = { code = 200, n = 2 * (n + i), pad = pad },
      [there] = { code = 200, n = 2 * (n - i), pad = pad },
    }
  end
  local say = self.members[1]:ask("chat.chatHandler.say", { n = n, size = size })
  wanted[1][say] = { code = 200 }
  for i, member in ipairs(self.members) do collect(member, wanted[i], n, size) end
end

---Ends the game: nothing was said that a good run does not say, but `patterns`.
---@param patterns string[]?
function Game:finish(patterns)
  for _, member in ipairs(self.players) do member:close() end
  self.server:stop(patterns)
  net.closeAll()
end

return { start = start }
