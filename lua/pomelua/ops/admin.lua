-- admin: a server's answers to its operator. ops/control asks for `pomelua list`, `reload`,
-- `console` and the other commands.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local figures = require "pomelua.store.figures"
local json = require "pomelua.base.json"
local log = require "pomelua.base.log"
local generation = require "pomelua.live.generation"
local modules = require "pomelua.ops.modules"
local pretty = require "pomelua.base.pretty"
local reload = require "pomelua.live.reload"
local task = require "pomelua.run.task"
local wish = require "pomelua.run.wish"

local PRINTED = 1000 -- lines that wait for the console's next question

local admin = {}

local commands = {}

-- The versions of what its clients are handed out, "" without.
local function versions_of(server)
  local d = server.dictionary
  local protos = server.frontend and server.checked.use_protobuf and server.registry.set.protos
  return d and d:version() or "", protos and protos:version() or ""
end

-- The time that the question waited for this server's loop is how late the loop is.
function commands.status(server, request, reply)
  local counts = server.node:counts()
  local dictionary, protos = versions_of(server)
  reply {
    lag = type(request.sent) == "number" and math.max(0, core.now() - request.sent) or nil,
    dictionary = dictionary, protos = protos,
    ok = true, type = server.type, state = server.life.state, port = server.port,
    generation = server.generation.number, uptime = server.node:now() - server.started_at,
    memory = collectgarbage("count") * 1024, sessions = counts.sessions, bound = counts.bound,
    channels = counts.channels + counts.clusterChannels, requests = counts.requestsOpen,
    old = server:generations().calls, counters = request.counters and server:counters() or nil,
    pools = request.pools and json.array(figures.pools(server)) or nil,
  }
end

-- Takes over the list of servers; tells listeners which servers came and went since the last list.
function commands.servers(server, request, reply)
  server:index(request.servers)
  if #request.removed > 0 then server.event:emit("remove_servers", request.removed) end
  if #request.added > 0 then server.event:emit("add_servers", request.added) end
  reply { ok = true }
end

-- Ends the sessions of a user, with a KICK.
function commands.kick(server, request, reply)
  local sids = server.node:sidsOf(request.uid)
  for i = 1, #sids do server.node:kick(sids[i], request.reason or "kick") end
  reply { ok = true, sessions = #sids }
end

-- The bans of the program, or what of them has changed.
function commands.bans(server, request, reply)
  reply { ok = true, ended = server.bans.apply(server, request) }
end

-- The program's answer to what this server has asked it for.
function commands.answer(server, request, reply)
  reply { ok = true }
  wish.answered(server, request.number, request.answer)
end

function commands.reload(server, request, reply)
  server:reload {
    modules = request.modules, dry = request.dry, force = request.force,
    cb = function(err, result)
      local answer = result or { gone = err.gone, code = err.code }
      for _, key in ipairs { "modules", "removed", "gone", "warnings", "unknown", "files",
        "stays" } do
        if answer[key] then answer[key] = json.array(answer[key]) end
      end
      answer.ok = not err
      answer.message = err and err.message or reload.told(result)
      reply(answer)
    end,
  }
end

-- Lua in the server, when it allows that: an expression's values, or a statement.
function commands.eval(server, request, reply)
  if not server.checked.console then
    return reply {
      ok = false, message = "the console is off: app:set(\"serverConfig\", { console = true })",
    }
  end
  local text = tostring(request.text):gsub("^%s*=", "") -- as Lua's own prompt has it
  local chunk, first = loadstring("return " .. text, "=console")
  local message
  if not chunk then chunk, message = loadstring(text, "=console") end
  if not chunk then
    -- A text that is no statement may still be the beginning of an expression.
    local more = message:find("<eof>", 1, true) or first:find("<eof>", 1, true)
    return reply { ok = false, message = message, more = more and true }
  end
  server.console = server.console or setmetatable({
    app = server.app, require = generation.require_of(server, { requires = {}, names = {} }),
  }, { __index = _G })
  setfenv(chunk, server.console)
  -- Text that callbacks print later comes with the next answer, and at once into the log.
  local printed, answered = server.console_printed or {}, false
  server.console_printed = printed
  server.console.print = function(...)
    local parts = {}
    for i = 1, select("#", ...) do parts[i] = errors.tostring((select(i, ...))) end
    local later = server.console_printed
    if #later < PRINTED then later[#later + 1] = table.concat(parts, "\t") end
    if answered then log.print(...) end
  end
  local function result(ok, ...)
    local values = {}
    answered = true
    server.console_printed = {}
    for i = 1, select("#", ...) do values[i] = pretty((select(i, ...))) end
    reply {
      ok = ok, values = json.array(values), printed = json.array(printed),
      message = not ok and errors.text((...)) or nil,
    }
  end
  result(xpcall(chunk, function(err) return debug.traceback(errors.text(err), 2) end))
end

-- The game's own command, when this server has it.
function commands.run(server, request, reply)
  local msg = request.msg
  if type(msg) ~= "table" then msg = {} end
  for i, word in ipairs(request.words or {}) do msg[i] = word end
  local found = modules.run(server, request.name, msg, function(err, value)
    if err ~= nil and err ~= json.null then
      return reply { ok = false, message = errors.text(err) }
    end
    local text = type(value) == "string" and value or nil
    local message
    if text == nil and value ~= nil then text, message = json.encode(value, "its answer") end
    reply { ok = message == nil, message = message or text or "done" }
  end)
  if not found then
    reply { ok = true, unknown = true, known = json.array(modules.names(server)) }
  end
end

---entries.control
function admin.asked(server, call, text)
  local request = json.decode(text)
  local answered = false
  local function reply(answer)
    if answered then return end
    answered = true
    server.node:controlled(call, (core.encode(answer))
      or '{"ok":false,"message":"the answer is not JSON"}')
  end
  local command = type(request) == "table" and commands[request.command]
  if not command then return reply { ok = false, message = "no such command" } end
  local owner = { name = "control " .. request.command, client = true }
  function owner.failed(_, err) reply { ok = false, message = errors.text(err) } end
  task.run(server, owner, command, server, request, reply)
end

return admin
