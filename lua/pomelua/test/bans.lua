-- test.bans: the bans of a spec's server, in the place of its program: a list without a file, in
-- the server's time.
local ban_list = require "pomelua.base.ban_list"
local ops_bans = require "pomelua.ops.bans"
local timers = require "pomelua.run.timers"

local bans = {}

local LONG = 2 ^ 31 - 1 -- ms that a timer may take

local CLIENT = "127.0.0.1" -- where a client comes from when the spec does not say it

-- The sessions of the frontends that the spec plays. Gives how many have ended.
local function end_played(self, news)
  local ended = 0
  for _, front in pairs(self.sessions.frontends.by_id) do
    local node = front.node
    for _, ban in ipairs(news.put) do
      for _, sid in ipairs(ban.uid and node:sidsOf(ban.uid) or {}) do
        ended = ended + (node:endBanned(sid, ban_list.reason(ban)) and 1 or 0)
      end
    end
    local reason = self.inner.node:bannedAddress(CLIENT)
    for sid in pairs(reason and node.by_sid or {}) do
      ended = ended + (node:endBanned(sid, reason) and 1 or 0)
    end
  end
  return ended
end

local wait

local function take(self, news)
  local ended = self.inner.bans.apply(self.inner, news) + end_played(self, news)
  wait(self)
  return ended
end

local function look(self)
  self.ban_timer = nil
  take(self, assert(self.bans:change()))
end

-- Until the next ban is over.
function wait(self)
  local inner, due = self.inner, self.bans:due()
  if self.ban_timer then timers.stop(inner, self.ban_timer) end
  self.ban_timer = nil
  if not due then return end
  local ms = math.max(0, math.ceil((due - inner.wall()) * 1000))
  self.ban_timer = timers.start(inner, math.min(ms, LONG), {
    of_framework = true, fire = function() look(self) end,
  })
end

local commands = {}

function commands.ban(self, request)
  local ban, news, code = self.bans:ban(request)
  if not ban then return { ok = false, message = news, code = code } end
  return { ok = true, ended = take(self, news), silent = {} }
end

function commands.unban(self, request)
  local was, news, code = self.bans:unban(request)
  if not was then return { ok = false, message = news, code = code } end
  take(self, news)
  return { ok = true, ended = 0, silent = {} }
end

function commands.bans(self) return { ok = true, bans = self.bans:list() } end

---Bans for a server of the kit.
---@param self pomelua.test.Server
function bans.begin(self)
  local inner = self.inner
  self.bans = ops_bans.new(nil, inner.wall)
  function inner.wishes.program(request, reply) reply(commands[request.command](self, request)) end
end

---What keeps a client of the spec's from connecting, or nil.
---@param inner pomelua.Server
---@param uid string|number|nil that it comes with
---@param ip string|nil its address
---@return string|nil reason
function bans.of(inner, uid, ip)
  local ban = uid ~= nil and inner.bans.by_uid[assert(ban_list.uid(uid))]
  if ban then return ban_list.reason(ban) end
  return (inner.node:bannedAddress(ip or CLIENT))
end

return bans
