-- cli.bench: `pomelua bench` becomes the load generator that is installed beside the program.
local command = require "pomelua.cli.command"
local core = require "pomelua.core"
local files = require "pomelua.base.files"

local bench = {}

local function generator()
  local dir = core.exe():match("^(.*)/") or "."
  for _, name in ipairs { "/load", "/pomelua-load" } do
    if files.exists(dir .. name) then return dir .. name end
  end
  return dir .. "/../libexec/pomelua/load"
end

-- A number of the generator's, or a text.
local function takes(name, value, text)
  return { name, value = value, field = name, text = text, empty = true }
end

local function flag(name, text) return { name, field = name, text = text } end

-- core/tools/load/options.c reads them once more, and knows which numbers may be.
local OPTIONS = {
  takes("--host", "IP", "where the server listens; 127.0.0.1 when left out"),
  takes("--port", "N", "its port; 3050 when left out"),
  takes("--second-port", "N", "every second client of a room connects to that one"),
  flag("--tcp", "raw TCP instead of WebSocket"),
  flag("--resume", "asks for sessions that outlive their lines; no line is lost"),
  flag("--tls", "by TLS; the server's certificate is checked"),
  takes("--ca", "FILE", "by the authorities in that PEM file; when left out those of the system"),
  takes("--name", "HOST", "the certificate has to be for that host; when left out for --host"),
  flag("--insecure", "the certificate is not checked"),
  takes("--clients", "N", "how many clients; 100 when left out"),
  takes("--rooms", "N", "spread over so many rooms; 1 when left out"),
  takes("--mode", "fan|echo|idle", "fan: senders ask, all of the sender's room must get the push "
    .. "(when left out); echo: all ask, each must be answered; idle: all connect and stay"),
  takes("--stay", "S", "the seconds of mode idle; 5 when left out"),
  takes("--senders", "N", "who asks; when left out one per room in mode fan, all in mode echo"),
  takes("--in-flight", "N", "requests of one sender that may wait for answers; 8 when left out"),
  takes("--rate", "N", "requests a second in all; when left out as fast as answers come"),
  flag("--latest", "the server's pushes are latest ones: of them, each client must get the newest "
    .. "in the end, and no push is missed"),
  takes("--slow", "N", "so many clients read 2 KiB a second, with a receive buffer of 4 KiB"),
  takes("--count", "N", "requests in all; 1000 when left out"),
  takes("--duration", "S", "ask for so long instead"),
  takes("--seconds", "S", "give up when that takes longer; 60 when left out"),
  takes("--enter", "ROUTE", "of the first request of each client; '' asks nothing"),
  takes("--enter-message", "TEXT", "that request"),
  takes("--route", "ROUTE", "of the requests"),
  takes("--message", "TEXT", "those requests"),
  takes("--push", "ROUTE", "of the pushes that are counted; onChat when left out"),
  takes("--size", "BYTES", "of {now}{fill} together; 64 when left out"),
  takes("--pid", "PID[,PID...]", "processes of the server: shows their CPU time and memory"),
  flag("--json", "one JSON object a line"),
  flag("--quiet", "no progress line"),
}

for _, row in ipairs(OPTIONS) do
  if row[1] == "--mode" then row.choices = { "fan", "echo", "idle" } end
  if row[1] == "--ca" then row.kind = "file" end
end

-- Comes back only when it could not begin.
local function main(given)
  local words = { generator() }
  for _, row in ipairs(OPTIONS) do
    local value = given[row.field]
    if value then words[#words + 1] = row[1] end
    if row.value then words[#words + 1] = value end
  end
  local _, message = core.exec(words)
  io.stderr:write("pomelua: bench: ", words[1], ": ", tostring(message), "\n")
  return 1
end

bench.command = command.new {
  name = "bench", group = "run",
  summary = "connects many clients to a server and reports figures",
  usage = "[options]",
  text = [[
Loads a server with clients of the real protocol and says what it did.

Messages are templates: {uid} {room} {now} (seconds; in "content" it gives the latency of pushes)
{fill}.
]],
  options = OPTIONS,
  examples = {
    { "pomelua bench --port 3010 --clients 500 --duration 10",
      "500 clients in one room, for ten seconds" },
    { "pomelua bench --port 3010 --mode echo --route connector.entryHandler.echo --enter ''",
      "requests and their answers alone" },
  },
  statuses = {
    [0] = "all clients got in and got what they should, once",
    [1] = "they did not, or the load generator could not begin",
  },
  see = { "run", "start" },
  run = main,
}

return bench
