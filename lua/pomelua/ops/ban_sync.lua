-- ban_sync: one list of bans in all programs of a cluster. Each program has the whole list, and its
-- file. A change is sent to the others at once; a program that comes, that a change did not reach,
-- or whose bus was not there for a while, finds out by comparing sums, and the lists are put
-- together (ops/bans). Who answers what is in ops/ban_desk.
local ban_list = require "pomelua.base.ban_list"
local json = require "pomelua.base.json"
local programs = require "pomelua.ops.others"

local ban_sync = {}

local methods = {}
local mt = { __index = methods }

local TOLD = 3000 -- ms in which another program should have taken a change over
local LOOK = 1 -- seconds between two looks for programs that have come
local AGAIN = 5 -- seconds after which one that did not answer is asked again
local COMPARE = 60 -- seconds after which sums are compared at the latest
local PAGE, ROWS = 100 * 1024, 500 -- bytes and entries in one question or line

---@param list pomelua.Bans
---@param hooks table others() gives what ops/others offers, or nil: there is no bus; take(entries,
---done) puts entries into force in this program; log(level, text)
function ban_sync.new(list, hooks)
  return setmetatable({ list = list, hooks = hooks, known = {}, look_at = 0, compared_at = 0 }, mt)
end

-- The other programs, when there is a bus.
local function reachable(self)
  local others = self.hooks.others()
  local here = others and others:here()
  return here and others, here and here.up
end

---Whether a change of this program goes to all others.
---@return boolean
function methods:is_up()
  local _, up = reachable(self)
  return up or false
end

---Cuts a list into parts that fit into a message.
---@param entries pomelua.Ban[]
---@return table[] pages each an array
function ban_sync.pages(entries)
  local pages, page, size = {}, nil, 0
  for _, ban in ipairs(entries) do
    local n = #ban_list.key(ban) + #(ban.reason or "") + 100
    if not page or size + n > PAGE or #page == ROWS then
      page, size = json.array(), 0
      pages[#pages + 1] = page
    end
    page[#page + 1], size = ban, size + n
  end
  return pages
end

---The entries in a question or an answer; what is none is left out.
---@param values any
---@return pomelua.Ban[]
function ban_sync.read(values)
  local list = {}
  for _, value in ipairs(type(values) == "table" and values or {}) do
    list[#list + 1] = ban_list.of_wire(value)
  end
  return list
end

local function nothing() end

-- Sends entries to one program, or (nil) to all; done(ended, silent): how many sessions they have
-- ended, and the frontends or programs that have not answered.
local function send(others, one, entries, done)
  local pages, ended, silent, i = ban_sync.pages(entries), 0, {}, 0
  local function next_page()
    i = i + 1
    if not pages[i] then return done(ended, silent) end
    others:ask(one, { command = "take_bans", here = true, bans = pages[i] }, {
      line = nothing,
      done = function(reply, from)
        ended = ended + (tonumber(reply.ended) or 0)
        local names = type(reply.silent) == "table" and reply.silent or {}
        if not reply.ok then names = { from.name } end
        for _, name in ipairs(names) do silent[#silent + 1] = tostring(name) end
      end,
      finish = function(missing, more)
        for _, name in ipairs(programs.silent(missing, more)) do silent[#silent + 1] = name end
        next_page()
      end,
    }, TOLD)
  end
  next_page()
end

---Tells the other programs of a change.
---@param entries pomelua.Ban[]
---@param done fun(ended: number, silent: string[]) when all have answered, or have not in time
function methods:spread(entries, done)
  local others, up = reachable(self)
  if not others or not entries[1] then return done(0, {}) end
  if not up then
    self.again = true
    return done(0, { "the other programs, as the bus is not there" })
  end
  send(others, nil, entries, function(ended, silent)
    self.again = self.again or silent[1] ~= nil
    done(ended, silent)
  end)
end

-- The entries of a list that another one lacks, or has older ones of.
local function lacking(mine, theirs)
  local by_key, list = {}, {}
  for _, ban in ipairs(theirs) do by_key[ban_list.key(ban)] = ban end
  for _, ban in ipairs(mine) do
    local known = by_key[ban_list.key(ban)]
    if not known or ban_list.newer(ban, known) then list[#list + 1] = ban end
  end
  return list
end

-- Gets the list of one program of each sum that is not ours; done(lists) by sum.
local function fetch(self, others, by_sum, done)
  local lists, open = { [self.list:sum()] = self.list:all() }, 1
  local function finish()
    open = open - 1
    if open == 0 then done(lists) end
  end
  for sum, with_it in pairs(by_sum) do
    if not lists[sum] then
      local list, whole = {}, false
      open = open + 1
      others:ask(with_it[1], { command = "give_bans", here = true }, {
        line = function(reply)
          for _, ban in ipairs(ban_sync.read(reply.bans)) do list[#list + 1] = ban end
        end,
        done = function(reply) whole = reply.ok == true end,
        finish = function()
          if whole then lists[sum] = list else self.again = true end
          finish()
        end,
      }, TOLD)
    end
  end
  finish()
end

-- The other lists go into ours, and what each of them lacks goes there.
local function join(self, others, by_sum, lists, done)
  local all = {}
  for _, list in pairs(lists) do
    for _, ban in ipairs(list) do all[#all + 1] = ban end
  end
  self.hooks.take(all, function()
    local sum, mine, open = self.list:sum(), self.list:all(), 1
    local function finish(_, silent)
      self.again = self.again or silent[1] ~= nil
      open = open - 1
      if open == 0 then done() end
    end
    for theirs, with_it in pairs(by_sum) do
      local lacks = theirs ~= sum and lists[theirs] and lacking(mine, lists[theirs]) or {}
      for _, one in ipairs(lacks[1] and with_it or {}) do
        open = open + 1
        send(others, one, lacks, finish)
      end
    end
    finish(0, {})
  end)
end

---Compares the list with those of all other programs, and puts them together.
---@param done nil|fun()
function methods:compare(done)
  local others, up = reachable(self)
  if not others or not up or self.busy then return done and done() end
  self.busy, self.again = true, false
  local by_sum = {}
  others:ask(nil, { command = "sum_bans", here = true }, {
    line = nothing,
    done = function(reply, from)
      if type(reply.sum) ~= "string" then return end
      by_sum[reply.sum] = by_sum[reply.sum] or {}
      table.insert(by_sum[reply.sum], from)
    end,
    finish = function(missing, more)
      if programs.silent(missing, more)[1] then self.again = true end
      fetch(self, others, by_sum, function(lists)
        join(self, others, by_sum, lists, function()
          self.busy = false
          if done then done() end
        end)
      end)
    end,
  }, TOLD)
end

-- Whether a program is there that was not at the last look.
local function newcomers(self, others)
  local known, found = {}, false
  for _, one in ipairs(others:list()) do
    known[one.process] = true
    found = found or not self.known[one.process]
  end
  self.known = known
  return found
end

---Looks whether lists have to be compared; see due.
function methods:tick()
  local others, up = reachable(self)
  local now = self.list.now()
  if not others or now < self.look_at and now > self.look_at - 2 * LOOK then return end
  self.look_at = now + LOOK
  if newcomers(self, others) or not self.was_up then self.soon = true end
  local since = math.abs(now - self.compared_at) -- the clock may be set
  local due = since >= COMPARE or self.again and since >= AGAIN
  if up and not self.busy and (self.soon or due) then
    self.compared_at, self.soon = now, false
    self:compare()
  end
  self.was_up = up
end

---In how many seconds tick is due.
---@return number|nil seconds nil: there is no bus
function methods:due()
  local others = reachable(self)
  return others and math.max(0, math.min(self.look_at - self.list.now(), LOOK)) or nil
end

return ban_sync
