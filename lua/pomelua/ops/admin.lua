-- admin: what a server answers its operator (pomelua.control asks, on behalf of
-- `pomelua list`, `reload`, `console`, …).
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local json = require "pomelua.base.json"
local log = require "pomelua.base.log"
local generation = require "pomelua.live.generation"
local pretty = require "pomelua.base.pretty"
local reload = require "pomelua.live.reload"
local task = require "pomelua.run.task"

local PRINTED = 1000 -- lines that wait for the console's next question

local admin = {}

local commands = {}

function commands.status(server, request, reply)
  local counts = server.node:counts()
  reply {
    ok = true, type = server.type, state = server.life.state, port = server.port,
    generation = server.generation.number, uptime = server.node:now() - server.started_at,
    memory = collectgarbage("count") * 1024, sessions = counts.sessions, bound = counts.bound,
    channels = counts.channels, requests = counts.requestsOpen,
    old = server:generations().calls, counters = request.counters and server:counters() or nil,
  }
end

-- The servers that are there now, and those that have come and gone since the last time.
function commands.servers(server, request, reply)
  server:index(request.servers)
  if #request.removed > 0 then server.event:emit("remove_servers", request.removed) end
  if #request.added > 0 then server.event:emit("add_servers", request.added) end
  reply { ok = true }
end

function commands.reload(server, request, reply)
  server:reload {
    modules = request.modules, dry = request.dry, force = request.force,
    cb = function(err, result)
      local answer = result or { gone = err.gone, code = err.code }
      for _, key in ipairs { "modules", "removed", "gone", "warnings", "unknown" } do
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
    -- What is no statement may still be the beginning of an expression.
    local more = message:find("<eof>", 1, true) or first:find("<eof>", 1, true)
    return reply { ok = false, message = message, more = more and true }
  end
  server.console = server.console or setmetatable({
    app = server.app, require = generation.require_of(server, { requires = {}, names = {} }),
  }, { __index = _G })
  setfenv(chunk, server.console)
  -- What callbacks print later comes with the next answer, and at once into the log.
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
