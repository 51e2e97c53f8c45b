-- cluster: a question of a tool about the servers of all programs on the bus. The program that was
-- asked does its own part by ops/commands and passes the question on to the programs that it
-- concerns (ops/others), which do theirs; what they answer goes to the tool as it comes, and the
-- last line sums up. Each is a function of the control, of the talk with the tool and of the
-- question. Bans are not here: each program tells the others of them itself (ops/ban_sync).
local commands = require "pomelua.ops.commands"
local json = require "pomelua.base.json"
local near = require "pomelua.base.near"
local others = require "pomelua.ops.others"

local cluster = {}

local own = commands.all
local names_of = commands.names_of

local PATIENCE = 3000 -- ms for what is answered at once: a server may take two seconds

-- A question as another program gets it: for its servers alone, with who asks.
local function passed_on(talk, request, changes)
  local copy = {}
  for key, value in pairs(request) do copy[key] = value end
  for key, value in pairs(changes or {}) do copy[key] = value end
  copy.here, copy.by, copy.process, copy.host = true, talk.by, nil, nil
  return copy
end

-- A line that names no server says which program it is of.
local function from_program(reply, from)
  if not reply.id or tostring(reply.id):find("/", 1, true) then reply.program = from.name end
  return reply
end

-- Asks one program, this one (nil) or another one. hooks.line(reply) and, once, hooks.done(reply):
-- reply.lost when a program has not answered to the end.
local function ask_one(control, talk, one, request, hooks)
  if not one then
    return own[request.command](control, talk:part(hooks.line, hooks.done), request)
  end
  local last
  control.others:ask(one, passed_on(talk, request), {
    line = function(reply, from) hooks.line(from_program(reply, from)) end,
    done = function(reply) last = reply end,
    finish = function(missing)
      local lost = missing[1] and others.why(missing[1])
      hooks.done(last or {
        ok = false, lost = lost, gone = missing[1] and missing[1].gone,
        message = ("%s: %s"):format(one.name, lost or "no proper answer"),
      })
    end,
  })
end

-- Asks all programs. hooks.line(reply), hooks.done(reply) once for each that answers to the end,
-- and hooks.finish(missing, more) as of others:ask.
local function ask_all(control, talk, request, hooks, ms)
  local open, missing, more = 2, {}, 0
  local function finish()
    open = open - 1
    if open == 0 then hooks.finish(missing, more) end
  end
  own[request.command](control, talk:part(hooks.line, function(reply)
    hooks.done(reply)
    finish()
  end), request)
  control.others:ask(nil, passed_on(talk, request), {
    line = function(reply, from) hooks.line(from_program(reply, from)) end,
    done = function(reply, from) hooks.done(from_program(reply, from)) end,
    finish = function(list, n)
      missing, more = list, n
      finish()
    end,
  }, ms)
end

-- Whether the bus is there; the tool is told when it is not, and the command must not do half.
local function reachable(control, talk)
  if control.others:here().up then return true end
  talk:done(false, "the bus is not there, and with it the programs of other processes")
  return false
end

-- --- the servers as they are -----------------------------------------------------------------

function cluster.list(control, talk, request)
  if not control.others:here().up then
    talk:say { ok = false, message = "the bus is not there: no news of other processes" }
  end
  ask_all(control, talk, request, {
    line = function(reply) talk:say(reply) end,
    done = function() end,
    finish = function(missing, more)
      for _, one in ipairs(missing) do
        for _, server in ipairs(one.gone and {} or one.servers) do
          talk:say {
            ok = false, id = server.id, type = server.type, state = "up", why = "not answering",
            host = one.host, pid = one.pid, process = one.process,
          }
        end
      end
      if more > 0 then
        talk:say { ok = false, message = more .. " more programs on the bus do not answer" }
      end
      talk:done(true)
    end,
  }, PATIENCE)
end

-- --- operations on servers -------------------------------------------------------------------

-- Which programs have these servers: done(places, unknown, silent) gets {one=, ids=} each (one nil:
-- this program), the ids that nobody has, and who was not heard.
local function locate(control, talk, ids, done)
  local places, by_program, unknown = {}, {}, {}
  local function put(one, id)
    local key = one and one.process or "here"
    if not by_program[key] then
      by_program[key] = { one = one, ids = {} }
      places[#places + 1] = by_program[key]
    end
    table.insert(by_program[key].ids, id)
  end
  for _, id in ipairs(ids) do
    local mine = control.members:find(id)
    local holder = not (mine and mine.up) and control.others:holder(id)
    if mine and not holder then
      put(nil, id)
    elseif holder then
      put(holder, id)
    else
      unknown[#unknown + 1] = id
    end
  end
  if not unknown[1] then return done(places, unknown) end
  -- One that has failed is not on the bus, but its program knows it.
  local found = {}
  control.others:ask(nil, passed_on(talk, { command = "find", ids = unknown }), {
    line = function(reply, from)
      if not reply.id or found[reply.id] then return end
      found[reply.id] = true
      put(from, reply.id)
    end,
    finish = function(missing, more)
      local left = {}
      for _, id in ipairs(unknown) do
        if not found[id] then left[#left + 1] = id end
      end
      done(places, left, others.silent(missing, more))
    end,
  }, PATIENCE)
end

-- "there is no server ID", which was meant, and who could not be asked whether it has it.
local function no_server(control, id, silent)
  local known = control.members:ids()
  for _, other in ipairs(control.members.elsewhere:ids()) do known[#known + 1] = other end
  local hint = near.hint(id, known)
  local more = silent and silent[1] and ("%s not answering: "):format(hint == "" and ";" or "")
    .. table.concat(silent, ", ") or ""
  return ("there is no server %s%s%s"):format(id, hint, more)
end

-- stop, kill or restart of servers wherever they are.
local function each(control, talk, kind, ids)
  locate(control, talk, ids, function(places, unknown, silent)
    if unknown[1] then return talk:done(false, no_server(control, unknown[1], silent)) end
    local open, failed = #places, 0
    for _, place in ipairs(places) do
      local left = {}
      for _, id in ipairs(place.ids) do left[id] = true end
      local function line(reply)
        if not left[reply.id] then return end
        left[reply.id] = nil
        failed = failed + (reply.ok and 0 or 1)
        talk:say(reply)
      end
      local question = { command = kind, ids = place.ids }
      ask_one(control, talk, place.one, question, { line = line, done = function(reply)
        for _, id in ipairs(place.ids) do
          line { ok = false, id = id, message = reply.lost or reply.message or "no answer" }
        end
        open = open - 1
        if open > 0 then return end
        if failed == 0 then return talk:done(true) end
        talk:done(false, ("%s: %d of %d servers failed"):format(kind, failed, #ids))
      end })
    end
  end)
end

-- The program that a question names: HOST:PID, PID or what it is called on the bus; or, of a host,
-- the one with the fewest servers. nil and true: this one; nil, nil and a message.
local function chosen(control, request)
  local here, list, fitting = control.others:here(), control.others:list(), {}
  local process, host = request.process, request.host
  if process == nil and host == nil then return nil, true end
  local mine = { host = here.host, pid = here.pid, name = here.name, process = here.process,
    servers = control.members:ids() }
  table.insert(list, 1, mine)
  for _, one in ipairs(list) do
    local named = process == nil or process == one.name or process == one.process
      or process == tostring(one.pid)
    if named and (host == nil or host == one.host) then fitting[#fitting + 1] = one end
  end
  local names = {}
  for i, one in ipairs(#fitting > 0 and fitting or list) do names[i] = one.name end
  local text = table.concat(names, ", ")
  if not fitting[1] then
    return nil, nil, ("no program of the cluster is that of --%s %s; there are: %s"):format(
      process and "process" or "host", tostring(process or host), text)
  elseif fitting[2] and process then
    return nil, nil, ("several programs are %s: %s"):format(tostring(process), text)
  end
  table.sort(fitting, function(a, b)
    if #a.servers ~= #b.servers then return #a.servers < #b.servers end
    return a.name < b.name
  end)
  if fitting[1] == mine then return nil, true end
  return fitting[1]
end

-- Passes a question on to the program that it names, with the answer as it is.
local function relay(control, talk, request, from_tool_here)
  local one, mine, message = chosen(control, request)
  if message then return talk:done(false, message) end
  if mine and from_tool_here then return own[request.command](control, talk, request) end
  ask_one(control, talk, one, request, {
    line = function(reply) talk:say(reply) end,
    done = function(reply) talk:done(reply.ok, reply.message, reply.code) end,
  })
end

-- stop, kill and restart: without ids a whole program, the one that a tool on this machine has
-- asked, or the one that the question names.
local function command_for(kind, whole)
  return function(control, talk, request)
    local ids, message = names_of(request, "ids")
    if not ids then return talk:done(false, message) end
    if ids[1] then return each(control, talk, kind, ids) end
    if not whole then return talk:done(false, "name the servers") end
    if talk.anywhere and request.process == nil and request.host == nil then
      return talk:done(false, "name the servers, or a program by --process HOST:PID")
    end
    relay(control, talk, request, true)
  end
end

cluster.stop = command_for("stop", true)
cluster.kill = command_for("kill", true)
cluster.restart = command_for("restart", false)

function cluster.add(control, talk, request)
  local id = type(request.entry) == "table" and request.entry.id
  local holder = type(id) == "string" and control.others:holder(id)
  if holder then
    return talk:done(false, ("%s: a server of that id runs, in %s"):format(id, holder.name))
  end
  local list = control.others:list()
  if talk.anywhere and list[1] and request.process == nil and request.host == nil then
    local names = { control.others:here().name }
    for _, one in ipairs(list) do names[#names + 1] = one.name end
    return talk:done(false, ("say where: --host NAME or --process HOST:PID; there are: %s")
      :format(table.concat(names, ", ")))
  end
  relay(control, talk, request, true)
end

function cluster.eval(control, talk, request)
  locate(control, talk, { tostring(request.id) }, function(places, unknown, silent)
    if unknown[1] then return talk:done(false, no_server(control, unknown[1], silent)) end
    ask_one(control, talk, places[1].one, request, {
      line = function(reply) talk:say(reply) end,
      done = function(reply) talk:done(reply.ok, reply.message, reply.code) end,
    })
  end)
end

-- --- all programs, one after the other -------------------------------------------------------

-- Server by server over all programs, this one first, up to the first refusal.
function cluster.reload(control, talk, request)
  if not reachable(control, talk) then return end
  local list, sum, wrong = control.others:list(), { asked = 0, unknown = {} }, nil
  local function line(reply)
    if reply.id and reply.ok and not tostring(reply.id):find("/", 1, true)
      and reply.message ~= "not loaded: the server has ended" then
      commands.add_up(sum, reply)
    end
    talk:say(reply)
  end
  local function program(i)
    if i > #list then
      wrong = wrong or commands.reloaded(sum)
      return talk:done(not wrong, wrong)
    end
    local one = list[i]
    ask_one(control, talk, one, request, { line = line, done = function(reply)
      if reply.gone then -- when its servers come again they have the new scripts
        talk:say { ok = true, program = one.name, message = "not loaded: its process has ended" }
      elseif reply.lost or reply.stopped then
        return talk:done(false, reply.lost and "stopped at " .. reply.message or reply.message)
      elseif not reply.ok then
        wrong = wrong or reply.message
      end
      program(i + 1)
    end })
  end
  program(0)
end

-- --- all programs at the same time -----------------------------------------------------------

function cluster.kick(control, talk, request)
  local sessions, silent, wrong = 0, {}, nil
  ask_all(control, talk, request, {
    line = function(reply) talk:say(reply) end,
    done = function(reply)
      sessions = sessions + (tonumber(reply.sessions) or 0)
      for _, id in ipairs(reply.silent or {}) do silent[#silent + 1] = id end
      if not reply.sessions then wrong = wrong or reply.message end
    end,
    finish = function(missing, more)
      if wrong then return talk:done(false, wrong) end
      for _, name in ipairs(others.silent(missing, more)) do silent[#silent + 1] = name end
      talk:done(not silent[1], commands.kicked(tostring(request.uid), sessions, silent), nil,
        { sessions = sessions, silent = json.array(silent) })
    end,
  }, PATIENCE)
end

-- A command of the game's.
function cluster.run(control, talk, request)
  local sum, wrong = { meant = 0, found = 0, failed = 0, known = {} }, nil
  ask_all(control, talk, request, {
    line = function(reply) talk:say(reply) end,
    done = function(reply)
      if not reply.meant then wrong = wrong or reply.message end
      for _, key in ipairs { "meant", "found", "failed" } do
        sum[key] = sum[key] + (tonumber(reply[key]) or 0)
      end
      for _, name in ipairs(reply.known or {}) do table.insert(sum.known, name) end
    end,
    finish = function(missing, more)
      local silent = others.silent(missing, more)
      if wrong then return talk:done(false, wrong) end
      if not silent[1] then return commands.ran(talk, tostring(request.name), sum) end
      local text = "not answering: " .. table.concat(silent, ", ")
      if sum.found == 0 then
        text = ("no server that answers has the command %s%s; %s"):format(tostring(request.name),
          commands.similar(tostring(request.name), sum), text)
      end
      talk:done(false, text)
    end,
  })
end

return cluster
