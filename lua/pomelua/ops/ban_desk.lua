-- ban_desk: the bans of a running program, on its main thread: what tools, servers and programs ask
-- for, what the frontends are told, and the end of a ban when its time is over.
local ban_list = require "pomelua.base.ban_list"
local ban_sync = require "pomelua.ops.ban_sync"
local json = require "pomelua.base.json"

local ban_desk = {}

local methods = {}
local mt = { __index = methods }

local TOLD = 2000 -- ms in which a frontend should have taken a change over
local AGAIN = 60 -- seconds: the clock may be set, and a file that cannot be written may be mended

---@param list pomelua.Bans
---@param hooks table members() gives pomelua.members; ask(id, question, ms, reply); late: what
---reply gets of a server that does not answer; log(level, text); others() gives what ops/others
---offers, or nil
function ban_desk.new(list, hooks)
  local self = setmetatable({ list = list, hooks = hooks }, mt)
  self.programs = ban_sync.new(list, {
    others = hooks.others or function() end, log = hooks.log,
    take = function(entries, done) self:take(entries, done) end,
  })
  return self
end

local function any(news) return news.put[1] ~= nil or news.drop[1] ~= nil end

-- Tells all frontends; done(ended, silent): how many sessions they have ended, and the ids of those
-- that have not answered. One that is starting has it before it listens.
local function tell(self, news, done)
  local members, hooks, open, ended, silent = self.hooks.members(), self.hooks, 1, 0, {}
  local function finish()
    open = open - 1
    if open == 0 then done(ended, silent) end
  end
  for _, id in ipairs(any(news) and members:ids() or {}) do
    local one = members:find(id)
    if one.entry.frontend then
      local waits = one.up or false
      if waits then open = open + 1 end
      local question = { command = "bans", put = news.put, drop = news.drop }
      hooks.ask(id, question, waits and TOLD or nil, function(answer)
        if not waits then return end
        if answer == hooks.late then silent[#silent + 1] = id end
        ended = ended + (answer and answer.ended or 0)
        finish()
      end)
    end
  end
  finish()
end

-- The same, and the other programs tell theirs.
local function tell_all(self, news, done)
  local open, ended, silent = 2, 0, {}
  local function part(n, names)
    ended = ended + n
    for _, name in ipairs(names) do silent[#silent + 1] = name end
    open = open - 1
    if open == 0 then done(ended, silent) end
  end
  tell(self, news, part)
  self.programs:spread(news.changes, part)
end

local function sessions(n) return n == 1 and "1 session" or n .. " sessions" end

-- What a change has done, behind who is banned.
local function told(text, ended, silent)
  if ended > 0 then text = ("%s; %s ended"):format(text, sessions(ended)) end
  if silent[1] then
    text = ("%s; not confirmed yet by %s"):format(text, table.concat(silent, ", "))
  end
  return text
end

local commands = {}

-- Answers a change that is in the file.
local function finish(self, news, text, ban, done)
  tell_all(self, news, function(ended, silent)
    done {
      ok = true, message = told(text, ended, silent), ban = ban, ended = ended,
      silent = json.array(silent), everywhere = self.programs:is_up() or nil,
    }
  end)
end

function commands.ban(self, request, by, done)
  local ban, news, code = self.list:ban(request)
  if not ban then return done { ok = false, message = news, code = code } end
  local text = ("%s is banned %s"):format(ban_list.who(ban),
    ban_list.told(ban, self.list.now()))
  self.hooks.log("info", ("%s, asked for by %s"):format(text, by))
  finish(self, news, text, ban, done)
end

function commands.unban(self, request, by, done)
  local was, news, code = self.list:unban(request)
  if not was then return done { ok = false, message = news, code = code } end
  local text = ban_list.who(was) .. " is not banned any more"
  self.hooks.log("info", ("%s, asked for by %s"):format(text, by))
  finish(self, news, text, was, done)
end

function commands.bans(self, _, _, done) done { ok = true, bans = self.list:list() } end

---Does what a tool or a server asks for.
---@param request table command: "ban", "unban" (uid or address, seconds, reason) or "bans"
---@param by string who asks, for the log
---@param done fun(answer: table) ok, message, code; ban, or bans
function methods:run(request, by, done)
  local command = commands[request.command]
  if not command then return done { ok = false, message = "no such command", code = "NOENT" } end
  command(self, request, by, done)
end

---Reads the file again, when another process or a person has changed it.
---@param dry boolean|nil only whether it can be read
---@param done fun(ok: boolean, message: string|nil)
function methods:sync(dry, done)
  if dry then return done(self.list:check()) end
  local news, message = self.list:change()
  if not news then return done(false, message) end
  if not any(news) and not news.changes[1] then return done(true) end
  local text = ("%s: read again, %d new or other bans, %d gone"):format(self.list:path(),
    #news.put, #news.drop)
  self.hooks.log("info", text)
  tell_all(self, news, function(ended, silent) done(true, told(text, ended, silent)) end)
end

---Another program has sent entries of its list: what of them is newer is in force from now on.
---@param entries pomelua.Ban[]
---@param done fun(ended: number, silent: string[])
function methods:take(entries, done)
  local news, message = self.list:merge(entries)
  if message then
    self.hooks.log("error",
      ("bans of another program are in force, but not in the file: %s"):format(message))
  end
  for _, ban in ipairs(news.put) do
    self.hooks.log("info", ("%s is banned %s, by another program"):format(ban_list.who(ban),
      ban_list.told(ban, self.list.now())))
  end
  for _, ban in ipairs(news.drop) do
    self.hooks.log("info", ("%s is not banned any more, by another program")
      :format(ban_list.who(ban)))
  end
  tell(self, news, done)
end

---The file is read again, as soon as that is possible: what others have written into it since it
---was read is in force then.
function methods:open()
  self:sync(false, function(ok, message)
    self.unread = not ok
    if not ok then self.hooks.log("error", message) end
  end)
  self.programs:tick()
end

---What is over ends.
function methods:tick()
  self.programs:tick()
  if self.unread then self:open() end
  local due, now = self.list:due(), self.list.now()
  if not due or due > now then return end
  local news, message = self.list:expire()
  if message then
    self.hooks.log("error", ("bans that are over stay in the file: %s"):format(message))
  end
  for _, ban in ipairs(news.drop) do
    self.hooks.log("info", ("the ban of %s is over"):format(ban_list.who(ban)))
  end
  tell(self, news, function() end)
end

---In how many milliseconds the next look is due: the next ban is over, and at most a minute.
---@return number|nil ms nil: no ban ends
function methods:due()
  local due = self.unread and AGAIN or self.list:due() and self.list:due() - self.list.now()
  local sync = self.programs:due()
  if not due and not sync then return nil end
  return math.max(1, math.ceil(math.min(due or AGAIN, sync or AGAIN, AGAIN) * 1000))
end

---The app's folder has another place.
---@param folder string
function methods:move(folder)
  local news, message = self.list:move(folder)
  if not news then
    return self.hooks.log("error", ("the bans did not move with the app: %s"):format(message))
  end
  tell_all(self, news, function() end)
end

-- A change that a tool asks for: one answer.
local function change(control, talk, request)
  control.bans:run(request, talk.who, function(answer)
    control:wake_for_bans()
    if answer.ok then
      talk:say {
        ok = true, message = answer.message, ban = answer.ban, everywhere = answer.everywhere,
      }
    end
    talk:done(answer.ok, not answer.ok and answer.message or nil, answer.code)
  end)
end

-- Lines with a list.
local function say(talk, list)
  for _, page in ipairs(ban_sync.pages(list)) do talk:say { ok = true, bans = page } end
end

local function show(control, talk)
  say(talk, control.bans.list:list())
  talk:done(true)
end

-- What other programs ask for.

local function sum(control, talk)
  talk:done(true, nil, nil, { sum = control.bans.list:sum() })
end

local function give(control, talk)
  say(talk, control.bans.list:all())
  talk:done(true)
end

local function take(control, talk, request)
  control.bans:take(ban_sync.read(request.bans), function(ended, silent)
    control:wake_for_bans()
    talk:done(true, nil, nil, { ended = ended, silent = json.array(silent) })
  end)
end

---Adds the commands of tools and of other programs.
---@param to table<string, fun(control: table, talk: table, request: table)> of ops/control
function ban_desk.add(to)
  to.ban, to.unban, to.bans = change, change, show
  to.sum_bans, to.give_bans, to.take_bans = sum, give, take
end

return ban_desk
