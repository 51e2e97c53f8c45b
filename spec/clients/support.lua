-- The examples on free ports, and published clients that talk to them.
--
--   local chat = support.start()                  a running copy of examples/chat
--   local client = support.client "template"      a kind of spec/clients/client.js
--   client:tell { cmd = "connect", port = chat.gate }
--   local event = assert(client:expect("connected"))
--   client:finish()
--   chat:stop()

local certs = require "spec.support.certs"
local cjson = require "cjson"
local net = require "spec.support.net"
local free_ports = require "spec.support.ports"
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
  function Handler:coded() return { n = app:getCounters().codedRoutes } end
  return Handler
end
]]

local Example = {}
Example.__index = Example

-- Copies an example into a temporary folder; servers(types) sets the ports.
local function copy(name, web, servers)
  local dir = assert(uv.fs_mkdtemp(uv.os_tmpdir() .. "/pomelua-XXXXXX"))
  assert(os.execute(("cp -R 'examples/%s' '%s/'"):format(name, dir)) == 0)
  local base = dir .. "/" .. name
  local config = cjson.decode(read(base .. "/config/servers.json"))
  for _, types in pairs(config) do servers(types) end
  write(base .. "/config/servers.json", cjson.encode(config))
  write(base .. "/config/web.json", cjson.encode { host = "127.0.0.1", port = web, root = "web" })
  return dir, base
end

-- cluster: as one process per server, as `make cluster` does.
local function run(example, base, env, cluster)
  if cluster then
    example.process = net.spawn("tools/cluster.sh", { base }, { env = { BUILD = net.built "" } })
  else
    example.process = net.spawn(net.built("pomelua"), { "start", base }, { env = env })
  end
  local up, why = example.process:waitLine(cluster and "^cluster: (ready)" or "^(ready)$",
    support.patience)
  if up then return example end
  example:remove()
  error("the example does not start: " .. why)
end

-- Starts a copy of the chat.
-- Fields: gate, connectors and web, the ports; process; dir. heartbeat: seconds, the
-- example's own 3 when left out. more: config, more of the connectors' and the gate's
-- connectorConfig as Lua text, files, more files of the app by path, and tls, a folder
-- with chat.crt and chat.key: then pages and sockets are by TLS only; env: variables;
-- cluster: true, one process per server.
---@param heartbeat integer?
---@param more table?
function support.start(heartbeat, more)
  more = more or {}
  local ports = free_ports.some(8)
  local dir, base = copy("chat", ports[4], function(types)
    types.gate[1].clientPort = ports[1]
    for i = 1, 2 do
      types.connector[i].clientPort = ports[1 + i]
      types.connector[i].port = ports[4 + i]
      types.chat[i].port = ports[6 + i]
    end
  end)
  write(base .. "/app/servers/connector/handler/testHandler.lua", test_handler)
  local app, n = read(base .. "/app.lua"):gsub("heartbeat = 3", "heartbeat = " .. (heartbeat or 3))
  assert(n == 1, "app.lua sets no heartbeat")
  if more.config then app = app:gsub("distinctHost = true", "%0, " .. more.config) end
  write(base .. "/app.lua", app)
  for path, text in pairs(more.files or {}) do write(base .. "/" .. path, text) end
  if more.tls then
    local cert, key = more.tls .. "/chat.crt", more.tls .. "/chat.key"
    write(base .. "/app.lua", (app:gsub("distinctHost = true",
      ("%%0, ssl = { cert = %q, key = %q, required = true }"):format(cert, key))))
    write(base .. "/config/web.json", cjson.encode {
      host = "127.0.0.1", port = ports[4], root = "web", cert = cert, key = key,
    })
  end
  return run(setmetatable({
    dir = dir, gate = ports[1], connectors = { ports[2], ports[3] }, web = ports[4],
  }, Example), base, more.env, more.cluster)
end

-- Starts a copy of the arena. Fields: port of the connector, web; process; dir.
---@param cluster boolean? one process per server
function support.start_arena(cluster)
  local ports = free_ports.some(3)
  local dir, base = copy("arena", ports[3], function(types)
    types.connector[1].clientPort, types.area[1].port = ports[1], ports[2]
  end)
  -- So many stars that nobody needs luck to find some.
  local rules, n = read(base .. "/app/rules.lua"):gsub("number = 36", "number = 150")
  assert(n == 1, "app/rules.lua sets no number of stars")
  rules, n = rules:gsub("away = 20", "away = 1")
  assert(n == 1, "app/rules.lua does not say how long a ship waits")
  write(base .. "/app/rules.lua", rules)
  return run(setmetatable({ dir = dir, port = ports[1], web = ports[3] }, Example), base, nil,
    cluster)
end

-- Ends it; one that has ended by itself before is an error.
function Example:stop()
  local ended = self.process.code
  self:remove()
  assert(not ended, ("the example ended by itself: status %s, signal %s\n%s"):format(
    tostring(ended), tostring(self.process.signal), self.process.err))
end

function Example:remove()
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

local function start(script, args, env)
  table.insert(args, 1, here .. "/" .. script)
  local process = net.spawn("node", args, { env = env })
  return setmetatable({ process = process, at = 1, events = {} }, Client)
end

-- Where the one Chromium is that all clients in a browser share; it ends with this process.
local browser_at
local function browser()
  if not browser_at then
    local one = start("browser.js", {})
    browser_at = assert(one:expect("ready", nil, support.patience)).at
  end
  return { POMELUA_BROWSER_AT = browser_at }
end

-- Starts a client and waits until it takes commands. env: more variables.
function support.client(kind, env)
  local client = start("client.js", { kind }, env or kind == "browser" and browser() or nil)
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

-- The same with more variables.
function support.script_with(env, name, ...)
  return start(name, { ... }, env)
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
---What people see in the chat over TLS, in Chromium; see secure.js.
support.SECURE = { "people enter over wss", "every connection is by TLS",
  "messages reach everybody", "they are still there after some heartbeats",
  "nothing raised an error" }

---@param chat table of support.start, over TLS
---@param certificate string its file
---@return table seen for support.assert_seen
function support.secure_visit(chat, certificate)
  local visit = support.script_with({ POMELUA_TRUST = certs.key_hash(certificate) },
    "secure.js", ("https://localhost:%d/?gate=127.0.0.1:%d"):format(chat.web, chat.gate),
    net.built("screenshots"))
  assert(visit:expect("done", nil, 60000))
  local seen = visit:looked()
  visit:finish()
  return seen
end

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

-- Connects and waits until it may send; returns the event. sys: what a raw client says of itself.
function Client:connect(port, reconnect, sys)
  self:tell { cmd = "connect", port = port, reconnect = reconnect or nil, sys = sys }
  return assert(self:expect("connected"))
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
