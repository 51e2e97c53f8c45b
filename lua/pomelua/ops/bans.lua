-- bans: the bans of a program, and their file. The main thread of a program keeps one list, the
-- test kit another; `pomelua ban` makes one where no program runs. Each change is in the file
-- before it counts: under the lock of the folder the file is read again when another process, or a
-- person, has changed it, and then replaced as a whole. A file that cannot be read is an error and
-- stays as it is.
--
-- Each program of a cluster has such a list (ops/ban_desk sends changes to the others). Lists are
-- put together entry by entry: the newer one counts, also when it says that a ban was taken off.
local ban_list = require "pomelua.base.ban_list"
local core = require "pomelua.core"
local digest = require "pomelua.base.digest"
local files = require "pomelua.base.files"

local bans = {}

local NAME = "bans.json"
local LOCK = 2000 -- ms
local MOST = 2 ^ 22 -- bytes of the file: some 30,000 bans

local methods = {}
local mt = { __index = methods }

---@class pomelua.Bans
---@field folder string|nil where the file is; nil: there is none, as in the test kit
---@field by_key table<string, pomelua.Ban>

---@param folder string|nil
---@param now nil|fun(): number seconds since 1970; nil: the time it is
---@return pomelua.Bans
function bans.new(folder, now)
  return setmetatable({
    folder = folder, by_key = {}, now = now or core.time, lock_ms = LOCK,
  }, mt)
end

---The path of the file.
---@return string|nil
function methods:path() return self.folder and self.folder .. "/" .. NAME end

local function stamp(path) return core.stamp(path) or "none" end

-- Reads the file. Gives what it holds by key, and whether it is there.
local function read(self)
  local path = self:path()
  local seen = stamp(path)
  local text, message, code = files.read(path)
  if not text and not files.is_gone(code) then return nil, message end
  local is_there = text ~= nil
  local list, by_key = {}, {}
  if text then
    list, message = ban_list.decode(path, text)
    if not list then return nil, message end
  end
  self.seen = seen
  for _, ban in ipairs(list) do by_key[ban_list.key(ban)] = ban end
  return by_key, is_there
end

---Reads the file as it is now, for a start or a check.
---@return boolean|nil ok
---@return string|nil message file, line and place of what is wrong
function methods:load()
  if not self.folder then return true end
  local by_key, message = read(self)
  if not by_key then return nil, message end
  self.by_key = by_key
  return true
end

local function older(a, b)
  if a.since ~= b.since then return a.since < b.since end
  return ban_list.key(a) < ban_list.key(b)
end

-- Those of a table by key of which keep(key, ban) is true; keep left out: all. The oldest first.
local function sorted(by_key, keep)
  local list = {}
  for key, ban in pairs(by_key) do
    if not keep or keep(key, ban) then list[#list + 1] = ban end
  end
  table.sort(list, older)
  return list
end

local function is_ban(_, ban) return not ban.lifted end

---All bans, the oldest first.
---@return pomelua.Ban[]
function methods:list() return sorted(self.by_key, is_ban) end

---The same, with the entries that tell of bans that were taken off.
---@return pomelua.Ban[]
function methods:all() return sorted(self.by_key) end

---A sum that two lists have in common when they hold the same.
---@return string
function methods:sum()
  if self.summed ~= self.by_key then
    local lines = {}
    for key, ban in pairs(self.by_key) do
      lines[#lines + 1] = ("%s %.0f %.0f %s %s"):format(key, ban.since, ban.till or 0,
        ban.lifted and "lifted" or "banned", ban.reason or "")
    end
    table.sort(lines)
    self.summed, self.the_sum = self.by_key, digest.md5(table.concat(lines, "\n"))
  end
  return self.the_sum
end

local function write(self, by_key)
  local text = ban_list.encode(sorted(by_key))
  if #text > MOST then
    return nil, ("%s: it would have more than %d MiB; take old bans off"):format(self:path(),
      MOST / 2 ^ 20), "FULL"
  end
  local ok, message = core.replace_file(self:path(), text)
  if not ok then
    local hint = self.folder:find("/%.pomelua$")
      and "; --state DIR names another folder to write in" or ""
    return nil, message .. hint, "IO"
  end
  self.seen, self.unsaved = stamp(self:path()), nil
  return true
end

local function same(a, b)
  return a and b and a.since == b.since and a.till == b.till and a.reason == b.reason
    and a.lifted == b.lifted
end

-- The bans of `from` that are none in `to`.
local function gone(from, to)
  return sorted(from, function(key, ban) return not ban.lifted and not (to[key] and
    not to[key].lifted) end)
end

-- The bans of `to` that are not in `from`, or others there.
local function come(from, to)
  return sorted(to, function(key, ban) return not ban.lifted and not same(from[key], ban) end)
end

-- The entries of `to` that are not in `from`, or others there.
local function changes(from, to)
  return sorted(to, function(key, ban) return not same(from[key], ban) end)
end

-- What has changed, for the servers and for other programs.
local function news_of(from, to)
  return { put = come(from, to), drop = gone(from, to), changes = changes(from, to) }
end

-- The file has been changed since it was read. What is not in it any more was taken out by a
-- person, who takes a ban off by that; what is new there is newer than what was known.
local function follow(self, after, is_there)
  local now = self.now()
  for key, known in pairs(self.by_key) do
    local ban = after[key]
    if ban and not same(ban, known) and not ban_list.newer(ban, known) then
      after[key] = ban_list.by_hand(ban, known, now)
    elseif not ban and not ban_list.is_over(known, now) then
      local keeps = known.lifted or self.unsaved
      if keeps then after[key] = known end
      if not keeps and is_there then after[key] = ban_list.lifted(known, now) end
    end
  end
  for key, ban in pairs(after) do
    if not self.by_key[key] then after[key] = ban_list.by_hand(ban, nil, now) end
  end
end

local function copy(from)
  local to = {}
  for key, ban in pairs(from) do to[key] = ban end
  return to
end

-- What the list is now, and what is in the file.
local function present(self)
  if not self.folder or stamp(self:path()) == self.seen then
    return copy(self.by_key), self.by_key
  end
  local known = self.seen ~= nil
  local after, is_there = read(self)
  if not after then return nil, is_there end -- what is wrong
  local in_file = copy(after)
  if known then follow(self, after, is_there) end
  return after, in_file
end

-- A change under the lock: change(by_key) works on a copy of what is in the file now. Gives what
-- has changed, as news_of does.
local function changed(self, change)
  local before = self.by_key
  local after, from_file = present(self)
  if not after then return nil, from_file, "IO" end
  local ok, message, code
  if change then
    ok, message, code = change(after)
    if not ok then return nil, message, code end
  end
  local now = self.now()
  for key, ban in pairs(after) do
    if ban_list.is_over(ban, now) then after[key] = nil end
  end
  local differs = self.unsaved or #changes(from_file, after) + #changes(after, from_file) > 0
  if self.folder and differs then
    ok, message, code = write(self, after)
    if not ok then return nil, message, code end
  end
  self.by_key = after
  return news_of(before, after)
end

---Makes a change that is in the file when this returns. Bans that are over go out with it.
---@param change nil|fun(by_key: table): boolean|nil, string|nil, string|nil
---@param look nil|fun(): boolean|nil, string|nil called under the lock, before it
---@return table|nil news {put = bans, drop = bans, changes = entries}: what is different now; for
---servers what is in force and what is not any more, for other programs the new entries
---@return string|nil message
---@return string|nil code "IO", "FULL", "NOENT"
function methods:change(change, look)
  if not self.folder then return changed(self, change) end
  if not files.is_folder(self.folder) then
    if not change then return { put = {}, drop = {}, changes = {} } end
    files.make_private(self.folder)
  end
  local lock, message, code = core.lock_folder(self.folder, self.lock_ms)
  if not lock then return nil, message, code end
  local ok, news
  ok, news, message, code = pcall(function()
    if look then
      local fine, why, name = look()
      if not fine then return nil, why, name end
    end
    return changed(self, change)
  end)
  lock:free()
  if not ok then error(news, 0) end
  return news, message, code
end

---Adds a ban; one that is there for the same uid or address goes.
---@param given table uid or address, seconds, reason
---@param look nil|function see change
---@return pomelua.Ban|nil ban
---@return string|table message, or what change gives
---@return string|nil code
function methods:ban(given, look)
  local ban, wrong = ban_list.new(given, self.now())
  if not ban then return nil, wrong, "INVAL" end
  local key = ban_list.key(ban)
  local news, message, code = self:change(function(by_key)
    ban = ban_list.new(given, self.now(), by_key[key])
    by_key[key] = ban
    return true
  end, look)
  if not news then return nil, message, code end
  return ban, news
end

---Takes a ban off.
---@param given table uid or address
---@param look nil|function see change
---@return pomelua.Ban|nil ban as it was
---@return string|table message, or what change gives
---@return string|nil code
function methods:unban(given, look)
  local wanted, wrong = ban_list.new({ uid = given.uid, address = given.address }, self.now())
  if not wanted then return nil, wrong, "INVAL" end
  local key, was = ban_list.key(wanted), nil
  local function banned(ban)
    return ban and not ban.lifted and not ban_list.is_over(ban, self.now())
  end
  local known = self.by_key[key]
  local news, message, code = self:change(function(by_key)
    was = by_key[key]
    if banned(was) then
      by_key[key] = ban_list.lifted(was, self.now())
    elseif banned(known) then -- another program of this folder has done it
      was = known
    else
      return nil, ban_list.who(wanted) .. " is not banned", "NOENT"
    end
    return true
  end, look)
  if not news then return nil, message, code end
  return was, news
end

-- The entries of other programs that are newer than those of by_key go into it.
local function take(by_key, entries, now)
  for i = 1, #entries do
    local key = ban_list.key(entries[i])
    local known = by_key[key]
    if not ban_list.is_over(entries[i], now)
      and (not known or ban_list.newer(entries[i], known)) then
      by_key[key] = entries[i]
    end
  end
  return true
end

---Takes over what is newer in another program's list. It counts at once, also when the file cannot
---be written; then it is written with the next change.
---@param entries pomelua.Ban[]
---@return table news as change gives it
---@return string|nil message why it is not in the file
function methods:merge(entries)
  local now, before, after = self.now(), self.by_key, copy(self.by_key)
  take(after, entries, now)
  if not changes(before, after)[1] then return news_of(before, before) end
  local news, message = self:change(function(by_key) return take(by_key, entries, now) end)
  if news then return news end
  self.by_key, self.unsaved = after, true
  return news_of(before, after), message
end

---Takes the entries out that are over, whether or not the file can be written.
---@return table news as change gives it
---@return string|nil message why they are still in the file
function methods:expire()
  local news, message = self:change()
  if news then return news end
  local before, now = self.by_key, self.now()
  self.by_key = copy(before)
  for key, ban in pairs(before) do
    if ban_list.is_over(ban, now) then self.by_key[key] = nil end
  end
  return news_of(before, self.by_key), message
end

---Whether the file can be read as it is now.
---@return boolean ok
---@return string|nil message
function methods:check()
  local ok, message = bans.new(self.folder, self.now):load()
  return ok == true, message
end

---The file is in another folder from now on. What is there already counts, too.
---@param folder string
---@return table|nil news as change gives it
---@return string|nil message the list is as it was, in memory and in the folder before
function methods:move(folder)
  if next(self.by_key) == nil and not files.exists(folder .. "/" .. NAME) then
    self.folder, self.seen = folder, "none"
    return { put = {}, drop = {}, changes = {} }
  end
  local fresh = bans.new(folder, self.now)
  local news, message = fresh:change(function(by_key)
    for key, ban in pairs(self.by_key) do
      if not (by_key[key] and ban_list.newer(by_key[key], ban)) then by_key[key] = ban end
    end
    return true
  end)
  if not news then return nil, message end
  news = news_of(self.by_key, fresh.by_key)
  self.folder, self.seen, self.by_key = folder, fresh.seen, fresh.by_key
  return news
end

---When the next entry is over.
---@return number|nil seconds since 1970
function methods:due()
  local due
  for _, ban in pairs(self.by_key) do
    if ban.till and (not due or ban.till < due) then due = ban.till end
  end
  return due
end

return bans
