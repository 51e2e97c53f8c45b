-- cli.tools: commands that speak to a running program over its control socket.
local ask = require "pomelua.cli.ask"
local ban_list = require "pomelua.base.ban_list"
local command = require "pomelua.cli.command"
local key_value = require "pomelua.cli.key_value"
local list = require "pomelua.cli.list"
local reply = require "pomelua.cli.reply"
local shared = require "pomelua.cli.shared"

local finish = reply.finish

local tools = {}

-- An entry with what all of these have alike.
local function new(entry)
  entry.group = "operate"
  entry.options = shared.join(entry.options or {}, shared.ASK)
  entry.statuses = entry.statuses or { [1] = shared.ASK_FAILED }
  entry.environment, entry.files = shared.ASK_ENVIRONMENT, shared.ASK_FILES
  return command.new(entry)
end

local PROCESS = {
  "--process", value = "HOST:PID", field = "process",
  text = "without an ID: those of another program of the cluster (see: pomelua list)",
}

tools.list = new {
  name = "list",
  summary = "shows the servers of the program that runs in DIR, and of its cluster",
  usage = "[DIR] [options]",
  text = [[
Shows the servers of the program that runs in DIR, or of its whole cluster: id, type, state,
process, machine, uptime, sessions, channels, memory, how late the loop is (lag), the generation of
the scripts, and how many calls of older ones still run. One that is stuck is shown as not answering
after 2 s, and one that failed to start with its reason.
]],
  folder = "only", words = { "dir" },
  options = {
    { "--counters", field = "counters", text = "also what each server has counted, but zeros" },
    {
      "--pools", field = "pools",
      text = "also the connections of each server to databases and services, and their calls",
    },
    {
      "--versions", field = "versions",
      text = "also the versions of the route dictionary and of the protobuf definitions",
    },
  },
  examples = {
    { "pomelua list", "the servers of the program that runs in this folder" },
    { "pomelua list game --counters", "those of the one in the folder game, with their counters" },
    { "pomelua list --bus nats://10.0.0.11:4222 --cluster chat",
      "those of a whole cluster, from any machine" },
  },
  see = { "start", "console" },
  run = function(given)
    local replies = {}
    local question = { command = "list", counters = given.counters, pools = given.pools }
    local ok, message = ask.program(given, question, function(one)
      replies[#replies + 1] = one
    end)
    if not ok or given.json then return finish(given, ok, message) end
    list.show(replies, given)
    return 0
  end,
}

local function for_servers(name)
  return function(given)
    return finish(given, ask.program(given, {
      command = name, ids = reply.words(given), process = given.process,
    }, reply.plain))
  end
end

tools.stop = new {
  name = "stop",
  summary = "stops the program in order, or some servers",
  usage = "[DIR] [ID...] [options]",
  text = [[
Stops the program in order, or only these servers, in whichever program of the cluster they are. A
server that has failed is taken off the list.
]],
  folder = "among", what = "the id of a server", words = { "id" },
  options = { {
    "--process", value = "HOST:PID", field = "process",
    text = "without an ID: another program of the cluster (see: pomelua list)",
  } },
  examples = {
    { "pomelua stop", "stops the program that runs in this folder" },
    { "pomelua stop game chat-1 chat-2", "stops two servers of the one in the folder game" },
  },
  statuses = {
    [0] = "the command is done; without an ID: the program has ended with status 0",
    [1] = shared.ASK_FAILED .. "; without an ID also: it ended, but not in order",
  },
  see = { "kill", "restart", "start" },
  run = for_servers "stop",
}

tools.kill = new {
  name = "kill",
  summary = "ends servers without their lifecycle",
  usage = "[DIR] [ID...] [options]",
  text = [[
Ends servers at once, without their lifecycle, even while another command works on them; all of the
program when no ID is given.
]],
  folder = "among", what = "the id of a server", words = { "id" },
  options = { PROCESS },
  examples = { { "pomelua kill chat-1", "ends a server that does not stop" } },
  see = { "stop" },
  run = for_servers "kill",
}

tools.restart = new {
  name = "restart",
  summary = "stops servers and starts them again",
  usage = "[DIR] ID... [options]",
  text = [[
Stops these servers and starts them again, with the scripts of that moment. A server that does not
start stays on the list as failed, until it is restarted, stopped or added again.
]],
  folder = "among", what = "the id of a server", words = { "id" },
  check = function(given)
    if not given[1] then return "name the servers" end
  end,
  examples = { { "pomelua restart chat-1 chat-2", "restarts two servers, one after the other" } },
  see = { "stop", "add", "reload" },
  run = for_servers "restart",
}

tools.add = new {
  name = "add",
  summary = "starts one more server",
  usage = "[DIR] KEY=VALUE... [options]",
  text = [[
Starts one more server in the running program. Keys are those of config/servers.json; id and
serverType are needed, clientPort too for a frontend. The file is not changed.

A value is text (zone=007 stays 007), but port, clientPort and max-connections are numbers, and the
words true and false are what they say. KEY:=JSON gives any value: weight:=3
]],
  folder = "among", what = "KEY=VALUE", words = { "server" },
  options = {
    {
      "--process", value = "HOST:PID", field = "process",
      text = "in this program of the cluster (see: pomelua list)",
    },
    {
      "--host", value = "NAME", field = "host",
      text = "in the program with the fewest servers on this machine",
    },
  },
  check = function(given)
    given.entry = {}
    for _, word in ipairs(given) do
      local message = key_value.read(given.entry, word)
      if message then return message end
    end
  end,
  examples = {
    { "pomelua add id=chat-3 serverType=chat host=127.0.0.1 port=6052", "starts a backend server" },
    { "pomelua add id=connector-2 serverType=connector clientPort=3012 frontend=true",
      "starts a frontend" },
  },
  see = { "restart", "stop" },
  run = function(given)
    return finish(given, ask.program(given, {
      command = "add", entry = given.entry, process = given.process, host = given.host,
    }, reply.plain))
  end,
}

tools.reload = new {
  name = "reload",
  summary = "loads changed scripts in every server",
  usage = "[DIR] [MODULE...] [options]",
  text = [[
Loads changed scripts in every server of the program, or of its whole cluster, one after the other,
up to the first refusal, and the files that settings name: certificates, keys of tokens, lists of
addresses; and the file of bans. One that cannot be used leaves what is in force. No connection is
closed.

MODULE: chat.chatHandler, app.util.version, and the like; everything that changed when left out.
]],
  folder = "among", what = "a module", words = { "module" },
  options = {
    { "--dry-run", field = "dry", text = "only says what would happen" },
    { "-f", "--force", field = "force", text = "also when routes would vanish" },
  },
  examples = {
    { "pomelua reload", "everything that changed" },
    { "pomelua reload chat.chatHandler --dry-run", "says what loading one module would do" },
  },
  statuses = {
    [1] = "no program runs in the folder, a server has refused, no server has the MODULE, a file "
      .. "that a setting names could not be read, or the program ended before it had answered",
  },
  see = { "check", "restart" },
  run = function(given)
    local modules = reply.words(given)
    return finish(given, ask.program(given, {
      command = "reload", modules = #modules > 0 and modules or nil,
      dry = given.dry, force = given.force,
    }, reply.plain))
  end,
}

tools.kick = new {
  name = "kick",
  summary = "ends the sessions of a user",
  usage = "[DIR] UID [options]",
  text = [[
Ends the sessions of a user on all frontends, and says how many they were. New sessions of the user
are let in, other than by ban.
]],
  folder = "among", what = "a uid", words = { "uid" },
  options = { {
    "--reason", value = "TEXT", field = "reason",
    text = "what the client is told; kick when left out",
  } },
  check = function(given)
    local uid, message = ban_list.uid(given[1] or "")
    if #given ~= 1 then return "give one uid" end
    if message then return message end
    given.uid = uid
    given.reason, message = ban_list.check_reason(given.reason)
    return message and "--reason: " .. message
  end,
  examples = {
    { "pomelua kick ann --reason 'a new version is there'", "ends her sessions and says why" },
  },
  see = { "ban" },
  run = function(given)
    return finish(given, ask.program(given, {
      command = "kick", uid = given.uid, reason = given.reason,
    }, function() end))
  end,
}

return tools
