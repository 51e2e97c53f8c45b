-- commands: what an operator may ask of the servers of this program (ops/control has the list).
-- Each is a function of the control, of the talk with the tool and of the question. A question
-- that another program passes on (talk.here, ops/cluster) gets what the other one needs to sum up.
local ban_desk = require "pomelua.ops.ban_desk"
local ban_list = require "pomelua.base.ban_list"
local core = require "pomelua.core"
local json = require "pomelua.base.json"
local near = require "pomelua.base.near"

local LIST, KICK = 2000, 2000 -- how long a server may take to answer, ms
local RELOAD, EVAL = 60000, 30000

local commands = {}

local function missing(self, answer)
  if answer == self.late then return "no answer in time: it may still be at it" end
  return "the server has ended"
end

local function note(self, talk, text, ...)
  self.program:log("info", text:format(...) .. ", asked for by " .. talk.who)
end

-- The result of a command, for the log.
local function told(self, ok, refused, text, ...)
  self.program:log(ok and "info" or refused and "warn" or "error", text:format(...))
end

---The names in a list of a question, each once. A list that cannot be read must not mean "all
---servers".
---@param request table
---@param key string
---@return string[]|nil names empty when the question has no such list
---@return string|nil message
local function names_of(request, key)
  local given, list, seen = request[key], {}, {}
  if given == nil then return list end
  if type(given) ~= "table" then return nil, key .. " must be a list of names" end
  for i, name in pairs(given) do
    if type(i) ~= "number" or type(name) ~= "string" then
      return nil, key .. " must be a list of names"
    end
  end
  for _, name in ipairs(given) do
    if not seen[name] then list[#list + 1] = name end
    seen[name] = true
  end
  return list
end

function commands.version(self, talk)
  local here = self.others:here()
  talk:done(true, core.version, nil, here and { program = here.name, cluster = self.cluster })
end

-- --- the servers as they are -----------------------------------------------------------------

-- Where the servers of this program are, in each row.
local function place_of(self)
  local here = self.others:here()
  if here then return here end
  return { host = core.hostname(), pid = core.pid() }
end

local function say_counters(self, talk, place)
  local web = self.program:webCounts()
  if next(web) then talk:say { ok = true, web = web, program = place.name } end
  if place.process then
    talk:say { ok = true, bus = self.program:busCounts(), program = place.name }
  end
end

function commands.list(self, talk, request)
  local ids, open, place = self.members:ids(), 1, place_of(self)
  local function finish()
    open = open - 1
    if open > 0 then return end
    if request.counters then say_counters(self, talk, place) end
    talk:done(true)
  end
  for _, id in ipairs(ids) do
    local one = self.members:find(id)
    local row = {
      ok = true, id = id, type = one.entry.serverType, state = one.state, why = one.why,
      host = place.host, pid = place.pid, process = place.process,
    }
    if one.up then
      open = open + 1
      local question = {
        command = "status", counters = request.counters, pools = request.pools, sent = core.now(),
      }
      self:ask(id, question, LIST, function(answer)
        row.ok = answer ~= nil and answer ~= self.late
        row.status = row.ok and answer or nil
        if answer == self.late then row.why = "not answering" end
        talk:say(row)
        finish()
      end)
    else
      talk:say(row)
    end
  end
  finish()
end

-- Which of these servers this program has, in whatever state: for another program.
function commands.find(self, talk, request)
  local ids, message = names_of(request, "ids")
  if not ids then return talk:done(false, message) end
  for _, id in ipairs(ids) do
    if self.members:find(id) then talk:say { ok = true, id = id } end
  end
  talk:done(true)
end

-- --- operations on servers -------------------------------------------------------------------

local function no_server(self, id)
  return ("there is no server %s%s"):format(id, near.hint(id, self.members:ids()))
end

-- Calls a function for each of the ids. An unknown id is an error before any of the calls.
local function each(self, talk, kind, ids)
  local open, failed = #ids, 0
  for _, id in ipairs(ids) do
    if not self.members:find(id) then
      return talk:done(false, no_server(self, id))
    end
  end
  for _, id in ipairs(ids) do
    note(self, talk, "%s %s", kind, id)
    self.members:ask_for(kind, id, function(ok, message, refused)
      open = open - 1
      failed = failed + (ok and 0 or 1)
      told(self, ok, refused, "%s %s: %s", kind, id, message)
      talk:say { ok = ok, id = id, message = message }
      if open > 0 then return end
      if failed == 0 then return talk:done(true) end
      talk:done(false, ("%s: %d of %d servers failed"):format(kind, failed, #ids))
    end)
  end
end

-- stop, kill and restart: of these servers, or (all) what `whole` does to the program.
local function command_for(kind, whole)
  return function(self, talk, request)
    local ids, message = names_of(request, "ids")
    if not ids then return talk:done(false, message) end
    if #ids == 0 and whole then return whole(self, talk) end
    if #ids == 0 then return talk:done(false, "name the servers") end
    each(self, talk, kind, ids)
  end
end

commands.stop = command_for("stop", function(self, talk)
  note(self, talk, "stop of the program")
  talk:say { ok = true, message = "stopping" }
  talk.stops = true -- control's `ended` answers
  self.program:stop()
end)

commands.kill = command_for("kill", function(self, talk)
  each(self, talk, "kill", self.members:ids())
end)

commands.restart = command_for("restart")

function commands.add(self, talk, request)
  local entry, message = self.members.run.checked(request.entry)
  if not entry then return talk:done(false, message) end
  local id = entry.id
  note(self, talk, "add %s", id)
  self.members:ask_for("add", id, function(ok, text, refused)
    told(self, ok, refused, "add %s: %s", id, text)
    talk:done(ok, ok and id .. " is up" or ("%s: %s"):format(id, text))
  end, entry)
end

-- --- reload ----------------------------------------------------------------------------------

-- A name that no server knows is refused as no module.
local function unknown_to_all(unknown, asked)
  local names = {}
  for name, n in pairs(unknown) do
    if n == asked then names[#names + 1] = name end
  end
  table.sort(names)
  return asked > 0 and #names > 0 and "no server has the module " .. table.concat(names, ", ")
    or nil
end

-- What the answers of all servers say together: nil, or why the command has failed.
local function reloaded(sum)
  local message = unknown_to_all(sum.unknown, sum.asked)
  if not message and sum.stays then message = "some files could not be read: see above" end
  return message
end

---Adds up what servers have answered to a reload.
---@param sum table asked, unknown (how many do not know a module, by its name), stays
---@param answer table of one server
local function add_up(sum, answer)
  sum.asked = sum.asked + 1
  sum.stays = sum.stays or #(answer.stays or {}) > 0
  for _, name in ipairs(answer.unknown or {}) do
    sum.unknown[name] = (sum.unknown[name] or 0) + 1
  end
end

-- The page server's certificate. Gives why it cannot be served.
local function renew(self, talk)
  local new, wrong = self.program:renew()
  if new == nil then
    return ("config/web.json: %s; the certificate from before stays in force"):format(wrong)
  end
  if new then talk:say { ok = true, id = "config/web.json", message = "new certificate" } end
end

local function reload(self, talk, request)
  local modules, message = names_of(request, "modules")
  if not modules then return talk:done(false, message) end
  local ids, sum = self.members:ids("up"), { asked = 0, unknown = {} }
  local question = {
    command = "reload", modules = #modules > 0 and modules or nil,
    dry = request.dry, force = request.force,
  }
  local function finish()
    local wrong = not talk.here and unknown_to_all(sum.unknown, sum.asked)
    if not wrong and not request.dry and #modules == 0 then wrong = renew(self, talk) end
    if not wrong and not talk.here then wrong = reloaded(sum) end
    talk:done(not wrong, wrong or nil)
  end
  local function one(i)
    local id = ids[i]
    if not id then return finish() end
    self:ask(id, question, RELOAD, function(answer)
      if not answer then -- stopped meanwhile; when it comes again it has the new scripts
        talk:say { ok = true, id = id, message = "not loaded: the server has ended" }
        return one(i + 1)
      end
      if answer == self.late then answer = { ok = false, message = missing(self, answer) } end
      answer.id = id
      talk:say(answer)
      if not answer.ok then
        return talk:done(false, "stopped at " .. id, nil, { stopped = true })
      end
      add_up(sum, answer)
      one(i + 1)
    end)
  end
  one(1)
end

-- The service manager hears of a reload, and of its end.
local function announce(self, talk)
  local done = talk.done
  self.program:reloading(true)
  function talk.done(...)
    talk.done = done
    self.program:reloading(false)
    return done(...)
  end
end

function commands.reload(self, talk, request)
  if not request.dry then
    note(self, talk, "reload")
    announce(self, talk)
  end
  local some = type(request.modules) == "table" and request.modules[1]
  if some then return reload(self, talk, request) end
  self.bans:sync(request.dry, function(ok, text)
    self:wake_for_bans()
    if not ok then
      talk:say { ok = false, message = text }
      return talk:done(false, "stopped at the bans", nil, { stopped = true })
    end
    if text then talk:say { ok = true, message = text } end
    reload(self, talk, request)
  end)
end

-- --- users -----------------------------------------------------------------------------------

ban_desk.add(commands)

---What a kick has done, in words.
---@param uid string|number
---@param n number sessions
---@param silent string[] who has not confirmed it
---@return string
local function kicked(uid, n, silent)
  local text = ("%s: %s ended"):format(ban_list.who { uid = uid },
    n == 1 and "1 session" or n .. " sessions")
  if not silent[1] then return text end
  return ("%s; not confirmed by %s"):format(text, table.concat(silent, ", "))
end

-- Ends the sessions of a user on all frontends, also on one that stops: it has its clients until
-- they have moved.
function commands.kick(self, talk, request)
  local uid, wrong = ban_list.uid(request.uid)
  if not uid then return talk:done(false, wrong) end
  local reason
  reason, wrong = ban_list.check_reason(request.reason)
  if wrong then return talk:done(false, wrong) end
  note(self, talk, "kick of %s", ban_list.who { uid = uid })
  local open, ended, silent = 1, 0, {}
  local function finish()
    open = open - 1
    if open > 0 then return end
    local text = kicked(uid, ended, silent)
    told(self, not silent[1], true, "kick of %s", text)
    talk:done(not silent[1], text, nil, { sessions = ended, silent = json.array(silent) })
  end
  for _, id in ipairs(self.members:ids()) do
    local one = self.members:find(id)
    if one.up and one.entry.frontend then
      open = open + 1
      self:ask(id, { command = "kick", uid = uid, reason = reason }, KICK, function(answer)
        if answer == self.late or answer and not answer.ok then silent[#silent + 1] = id end
        local n = answer and answer.sessions or 0
        ended = ended + n
        if n > 0 then talk:say { ok = true, id = id, sessions = n } end
        finish()
      end)
    end
  end
  finish()
end

-- --- scripts ---------------------------------------------------------------------------------

function commands.eval(self, talk, request)
  local id = tostring(request.id)
  local found = self.members:find(id)
  if not found then return talk:done(false, no_server(self, id)) end
  if not found.up then return talk:done(false, ("%s is not up: %s"):format(id, found.state)) end
  if request.text ~= "nil" then
    note(self, talk, "console of %s: %s", id, tostring(request.text):sub(1, 200))
  end
  self:ask(id, { command = "eval", text = request.text }, EVAL, function(answer)
    local good = answer and answer ~= self.late
    talk:say(good and answer or { ok = false, message = missing(self, answer) })
    talk:done(good and answer.ok or false)
  end)
end

-- The servers that a command of the game's is meant for; one that stops serves on meanwhile.
local function meant(self, request)
  local ids = {}
  for _, id in ipairs(self.members:ids()) do
    local one = self.members:find(id)
    local here = one.up and (request.on == nil or request.on == id)
      and (request.type == nil or request.type == one.entry.serverType)
    if here then ids[#ids + 1] = id end
  end
  return ids
end

---The command that an unknown name was meant for.
---@param name string
---@param sum table known: names of commands
---@return string hint of near.hint
local function similar(name, sum)
  local known = {}
  for _, one in ipairs(sum.known) do known[one] = true end
  return near.hint(name, known)
end

---The last line of a command of the game's.
---@param talk pomelua.Talk
---@param name string
---@param sum table meant (servers that were asked), found, failed, known (names of commands)
local function ran(talk, name, sum)
  if talk.here then return talk:done(true, nil, nil, sum) end
  if sum.meant == 0 then return talk:done(false, "no server that runs is meant") end
  if sum.found == 0 then
    return talk:done(false, ("no server has the command %s%s"):format(name, similar(name, sum)),
      "NOENT")
  end
  talk:done(sum.failed == 0, sum.failed > 0 and ("%s: %d of %d servers failed")
    :format(name, sum.failed, sum.found) or nil)
end

function commands.run(self, talk, request)
  local name, ids = tostring(request.name), meant(self, request)
  local open, sum = #ids, { meant = #ids, found = 0, failed = 0, known = json.array() }
  if open == 0 then return ran(talk, name, sum) end
  note(self, talk, "%s", name)
  for _, id in ipairs(ids) do
    local question = { command = "run", name = name, words = request.words, msg = request.msg }
    self:ask(id, question, EVAL, function(answer)
      open = open - 1
      if not answer or answer == self.late then
        answer = { ok = false, message = missing(self, answer) }
      end
      for _, one in ipairs(answer.known or {}) do table.insert(sum.known, one) end
      if not answer.unknown then
        sum.found = sum.found + 1
        sum.failed = sum.failed + (answer.ok and 0 or 1)
        talk:say { ok = answer.ok, id = id, message = answer.message }
      end
      if open == 0 then ran(talk, name, sum) end
    end)
  end
end

return {
  all = commands, names_of = names_of, add_up = add_up, reloaded = reloaded,
  kicked = kicked, ran = ran, similar = similar,
}
