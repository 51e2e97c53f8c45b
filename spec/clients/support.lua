-- The chat example on free ports, and published clients that talk to it.
--
--   local chat = support.start()                  a running copy of examples/chat
--   local client = support.client "template"      a kind of spec/clients/client.js
--   client:tell { cmd = "connect", port = chat.gate }
--   local event = assert(client:expect("connected"))
--   client:finish()
--   chat:stop()

local cjson = require "cjson"
local net = require "spec.support.net"
local uv = require "luv"

local support = {
  -- Milliseconds for what only takes long on a busy machine.
  patience = 20000,
}

local here = "spec/clients"

local read = require("spec.support.files").read

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

-- Free ports, all different: they are held until the last one is known.
function support.free_ports(n)
  local held, ports = {}, {}
  for i = 1, n do
    held[i] = uv.new_tcp()
    assert(held[i]:bind("127.0.0.1", 0))
    ports[i] = held[i]:getsockname().port
  end
  for _, tcp in ipairs(held) do tcp:close() end
  uv.run("nowait")
  return ports
end

-- What the specs need and a chat does not have.
local test_handler = [[
return function(app)
  local Handler = {}
  function Handler:kick(msg, session) session:kick(msg.reason) end
  function Handler:drop(msg)
    app:get("sessionService"):kick(msg.uid, msg.reason)
    return {}
  end
  function Handler:never() end
  return Handler
end
]]

local Chat = {}
Chat.__index = Chat

-- Copies the example into a temporary folder and starts it there.
-- Fields: gate, connectors and web, the ports; process; dir. heartbeat: seconds, the
-- example's own 3 when left out.
---@param heartbeat integer?
function support.start(heartbeat)
  local dir = assert(uv.fs_mkdtemp(uv.os_tmpdir() .. "/pomelua-XXXXXX"))
  assert(os.execute(("cp -R examples/chat '%s/chat'"):format(dir)) == 0)
  local ports = support.free_ports(8)
  local chat = setmetatable({
    dir = dir, gate = ports[1], connectors = { ports[2], ports[3] }, web = ports[4],
  }, Chat)

  local base = dir .. "/chat"
  local servers = cjson.decode(read(base .. "/config/servers.json"))
  for _, types in pairs(servers) do
    types.gate[1].clientPort = ports[1]
    for i = 1, 2 do
      types.connector[i].clientPort = ports[1 + i]
      types.connector[i].port = ports[4 + i]
      types.chat[i].port = ports[6 + i]
    end
  end
  write(base .. "/config/servers.json", cjson.encode(servers))
  write(base .. "/config/web.json",
    cjson.encode { host = "127.0.0.1", port = chat.web, root = "web" })
  write(base .. "/app/servers/connector/handler/testHandler.lua", test_handler)
  local app, n = read(base .. "/app.lua"):gsub("heartbeat = 3", "heartbeat = " .. (heartbeat or 3))
  assert(n == 1, "app.lua sets no heartbeat")
  write(base .. "/app.lua", app)

  chat.process = net.spawn(net.built("pomelua"), { "start", base })
  local up, why = chat.process:waitLine("^(ready)$", support.patience)
  if not up then
    chat:stop()
    error("the chat does not start: " .. why)
  end
  return chat
end

function Chat:stop()
  self.process:close()
  os.execute(("rm -rf '%s'"):format(self.dir))
end

-- Why a client may not be there, or nil.
function support.missing(kind)
  if not uv.fs_stat(here .. "/node_modules/ws") then
    return "run npm ci in " .. here
  end
  if (kind == "browser" or kind == "page") and os.getenv("POMELUA_BROWSER") == "off" then
    return "browsers are switched off by POMELUA_BROWSER=off"
  end
end

local Client = {}
Client.__index = Client

local function start(script, args)
  table.insert(args, 1, here .. "/" .. script)
  local process = net.spawn("node", args)
  return setmetatable({ process = process, at = 1, events = {} }, Client)
end

-- Starts a client and waits until it takes commands.
function support.client(kind)
  local client = start("client.js", { kind })
  assert(client:expect("ready", nil, support.patience))
  return client
end

-- Starts the visit of page.js.
function support.page(...)
  return start("page.js", { ... })
end

-- Starts another script of this folder that prints events.
function support.script(name, ...)
  return start(name, { ... })
end

-- Somebody in the page of a generated game, as player.js describes.
function support.player(...)
  return start("player.js", { ... })
end

-- Gives it a command, a table as client.js describes.
function Client:tell(command)
  self.process:write(cjson.encode(command) .. "\n")
end

-- Takes what it printed since into self.events.
function Client:listen()
  while true do
    local stop = self.process.out:find("\n", self.at, true)
    if not stop then return end
    self.events[#self.events + 1] = cjson.decode(self.process.out:sub(self.at, stop - 1))
    self.at = stop + 1
  end
end

-- Waits for an event and takes it out; `fields` are what it must hold. Events before it that were
-- not asked for stay.
function Client:expect(name, fields, ms)
  local function fits(event)
    if event.event ~= name then return false end
    for key, value in pairs(fields or {}) do
      if event[key] ~= value then return false end
    end
    return true
  end
  local found, why = net.wait(function()
    self:listen()
    for i, event in ipairs(self.events) do
      if fits(event) then return table.remove(self.events, i) end
    end
    return self.process.code and self.process.reading == 0 and "ended"
  end, ms)
  if found and found ~= "ended" then return found end
  return nil, ("no %s: %s; still there: %s %s"):format(name, found or why,
    cjson.encode(self.events), self.process.err:sub(-2000))
end

-- What a script that looks at things has seen, its events by what each is about.
function Client:looked()
  local seen = {}
  for _, event in ipairs(self.events) do seen[event.what] = event end
  return seen
end

-- That it looked at a thing, and found it so.
function support.assert_seen(seen, what)
  local event = assert(seen[what], "was not looked at")
  assert(event.event == "ok", event.body)
end

-- Whether such an event has come; does not wait.
function Client:has(name)
  self:listen()
  for _, event in ipairs(self.events) do
    if event.event == name then return true end
  end
  return false
end

-- Connects and waits until it may send.
function Client:connect(port, reconnect)
  self:tell { cmd = "connect", port = port, reconnect = reconnect or nil }
  assert(self:expect("connected"))
end

-- Sends a request and waits for the body of the answer.
function Client:request(route, msg)
  self.tag = (self.tag or 0) + 1
  self:tell { cmd = "request", tag = self.tag, route = route, msg = msg }
  return assert(self:expect("answer", { tag = self.tag })).body
end

-- Waits for a push and returns its body.
function Client:pushed(route)
  return assert(self:expect("push", { route = route })).body
end

function Client:disconnect()
  self:tell { cmd = "disconnect" }
  assert(self:expect("disconnect"))
end

-- Asks the gate, connects to the connector and enters the room; returns the answer and the port.
function Client:enter(chat, name, room, reconnect)
  self:connect(chat.gate)
  local entry = self:request("gate.gateHandler.queryEntry", { uid = name })
  assert(entry.code == 200, cjson.encode(entry))
  self:disconnect()
  self:connect(entry.port, reconnect)
  return self:request("connector.entryHandler.enter", { username = name, rid = room }), entry.port
end

-- Ends it by the end of its input, so that a browser is closed too.
function Client:finish()
  if not self.process.code then self.process:write(nil) end
  self.process:waitExit(support.patience)
  self.process:close()
end

return support
