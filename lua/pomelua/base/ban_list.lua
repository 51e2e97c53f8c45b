-- ban_list: bans as values: one is checked, many are a file's text. bans.json is for people, too:
--
--   {
--     "bans": [
--       {"uid": "ann", "since": "2026-11-27T16:00:00Z", "until": "2026-11-28T16:00:00Z",
--        "reason": "spam"},
--       {"address": "203.0.113.0/24", "since": "2026-11-27T16:00:00Z"},
--       {"uid": "bob", "lifted": "2026-11-27T17:00:00Z", "until": "2026-12-27T17:00:00Z"}
--     ]
--   }
--
-- The last one is no ban: one was taken off. It stays for a while, so that another copy of the list
-- that still has the ban, in another program of the cluster, does not bring it back. Of two entries
-- for the same uid or address the newer counts, wherever lists are put together.
--
-- A uid is text here: 7 and "7" are the same user.
local core = require "pomelua.core"
local duration = require "pomelua.base.duration"
local json = require "pomelua.base.json"
local json_file = require "pomelua.base.json_file"
local json_lines = require "pomelua.base.json_lines"
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"
local text_of = require("pomelua.base.text").of

local ban_list = {}

local UID, REASON = 4096, 512 -- bytes
local KEYS = { "uid", "address", "since", "until", "reason", "lifted" }
local DAY = 86400
local KEPT = 30 * DAY -- how long it is known that a ban was taken off
local LATEST = 2 ^ 40 -- seconds

---@class pomelua.Ban
---@field uid string|nil this user,
---@field address string|nil or this address or network, written in one way
---@field since number seconds since 1970; more than that of the entry that it has replaced
---@field till number|nil seconds since 1970; nil: until it is taken off
---@field reason string|nil what the banned client is told
---@field lifted boolean|nil true: no ban, but one was taken off, at `since`; forgotten at `till`

-- --- times --------------------------------------------------------------------------------------

-- Days since 1970 of a date, and the date of such a day.
local function days_of(year, month, day)
  local y = month <= 2 and year - 1 or year
  local era = math.floor(y / 400)
  local of_era = y - era * 400
  local of_year = math.floor((153 * (month + (month > 2 and -3 or 9)) + 2) / 5) + day - 1
  return era * 146097 + of_era * 365 + math.floor(of_era / 4) - math.floor(of_era / 100) + of_year
    - 719468
end

---A time as the file has it: "2026-11-28T16:00:00Z".
---@param seconds number since 1970
---@return string
function ban_list.time_text(seconds) return os.date("!%Y-%m-%dT%H:%M:%SZ", seconds) end

---@param text any
---@return number|nil seconds since 1970; nil: it is no such time
function ban_list.time_of(text)
  if type(text) ~= "string" then return nil end
  local parts = { text:match("^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d)Z$") }
  if not parts[1] then return nil end
  for i, part in ipairs(parts) do parts[i] = tonumber(part) end
  local seconds = days_of(parts[1], parts[2], parts[3]) * DAY + parts[4] * 3600 + parts[5] * 60
    + parts[6]
  return ban_list.time_text(seconds) == text and seconds or nil
end

-- --- one ban ------------------------------------------------------------------------------------

---What tells a ban from all others.
---@param ban table with uid or address
---@return string
function ban_list.key(ban) return ban.uid and "uid " .. ban.uid or "address " .. ban.address end

-- What a terminal does not show: controls, as a game's uids may have them.
local function visible(text)
  return (text:gsub("\127", "\\u007f"):gsub("\194([\128-\159])", function(c)
    return ("\\u%04x"):format(c:byte())
  end))
end

---The uid or the address, for a person.
---@param ban table
---@return string
function ban_list.name(ban)
  if not ban.uid then return ban.address end
  local text = visible(json.encode(ban.uid))
  return text:find('^"[%w_.@:+-]+"$') and ban.uid or text
end

---Who is banned, for a person.
---@param ban table
---@return string
function ban_list.who(ban)
  return ban.uid and "the uid " .. visible(json.encode(ban.uid)) or "the address " .. ban.address
end

---What the client is told.
---@param ban pomelua.Ban
---@return string
function ban_list.reason(ban) return ban.reason or "banned" end

---The answer to the handshake of such a client.
---@param ban pomelua.Ban
---@return string json
function ban_list.body(ban)
  return ('{"code":403,"reason":%s}'):format(core.encode(ban_list.reason(ban)))
end

---A uid as bans know it.
---@param uid any a string or a number
---@return string|nil uid
---@return string|nil message
function ban_list.uid(uid)
  local kind = type(uid)
  if kind ~= "string" and kind ~= "number" or uid == "" or uid ~= uid then
    return nil, "a uid is a text or a number, got "
      .. (uid == "" and "an empty text" or tables.shown(uid))
  end
  local text = text_of(uid)
  if #text > UID then return nil, ("a uid has at most %d bytes"):format(UID) end
  if not json_file.is_utf8(text) or text:find("%z") then return nil, "a uid is UTF-8 text" end
  return text
end

---An address or a network as bans know it.
---@param text any
---@return string|nil address
---@return string|nil message
function ban_list.address(text)
  if type(text) ~= "string" then return nil, "an address is a text, got " .. tables.shown(text) end
  local address, message = core.network(text)
  if not address then return nil, message end
  if address:find("/0$") then return nil, text .. " is everybody; that cannot be banned" end
  return address
end

---Whether a word reads as an address or a network.
---@param word string
---@return boolean
function ban_list.is_address(word)
  return core.network(word) ~= nil or word:find("^[%x.:]+/%d+$") ~= nil
    and core.network((word:match("^[^/]+"))) ~= nil
end

---@param reason any
---@return string|nil reason
---@return string|nil message
function ban_list.check_reason(reason)
  if reason == nil then return nil end
  if type(reason) ~= "string" or #reason > REASON or reason:find("%c")
    or not json_file.is_utf8(reason) then
    return nil, ("a reason is a text of at most %d bytes without control characters, got %s")
      :format(REASON, tables.shown(reason))
  end
  return reason ~= "" and reason or nil
end

-- Who is banned and why: a ban without its times; or nil, what is wrong, and the key of it.
local function read_who(given)
  local key = given.uid ~= nil and "uid" or "address"
  local who, message = ban_list[key](given[key])
  if message then return nil, message, key end
  local reason, wrong = ban_list.check_reason(given.reason)
  if wrong then return nil, wrong, "reason" end
  return { [key] = who, reason = reason }
end

-- The time of an entry that replaces another one: it is the newer, whatever the clocks say.
local function after(before, now)
  return math.max(math.floor(now), before and before.since + 1 or 0)
end

---A new ban.
---@param given table uid or address, `seconds` or nil, reason or nil
---@param now number seconds since 1970
---@param before pomelua.Ban|nil the entry that it replaces
---@return pomelua.Ban|nil ban
---@return string|nil message
function ban_list.new(given, now, before)
  local ban, message = read_who(given)
  if not ban then return nil, message end
  ban.since = after(before, now)
  if given.seconds ~= nil then
    local seconds
    seconds, message = duration.seconds(given.seconds)
    if not seconds then return nil, "the time of a ban " .. message end
    ban.till = math.ceil(now + seconds)
  end
  return ban
end

---The entry that takes the place of a ban that is taken off.
---@param ban pomelua.Ban
---@param now number seconds since 1970
---@return pomelua.Ban
function ban_list.lifted(ban, now)
  local since = after(ban, now)
  return {
    uid = ban.uid, address = ban.address, since = since, lifted = true,
    till = math.min(ban.till or math.huge, since + KEPT),
  }
end

---An entry that a person has written over another one, or beside it: it is the newer.
---@param ban pomelua.Ban
---@param before pomelua.Ban|nil
---@param now number
---@return pomelua.Ban
function ban_list.by_hand(ban, before, now)
  if before and ban.since > before.since or not before and ban.since > 0 then return ban end
  local copy = {}
  for key, value in pairs(ban) do copy[key] = value end
  copy.since = after(before, before and 0 or now)
  return copy
end

---Which of two entries for the same uid or address counts. Every copy of the list decides alike.
---@param a pomelua.Ban
---@param b pomelua.Ban
---@return boolean whether a counts and b does not
function ban_list.newer(a, b)
  if a.since ~= b.since then return a.since > b.since end
  if a.lifted ~= b.lifted then return not a.lifted end
  local till_a, till_b = a.till or math.huge, b.till or math.huge
  if till_a ~= till_b then return till_a > till_b end
  return (a.reason or "") > (b.reason or "")
end

local function is_time(value)
  return type(value) == "number" and value % 1 == 0 and value >= 0 and value < LATEST
end

---An entry that another program has sent.
---@param value any
---@return pomelua.Ban|nil
function ban_list.of_wire(value)
  if type(value) ~= "table" or (value.uid == nil) == (value.address == nil) then return nil end
  local ban = read_who(value)
  if not ban or not is_time(value.since) then return nil end
  if value.till ~= nil and not is_time(value.till) then return nil end
  ban.since, ban.till, ban.lifted = value.since, value.till, value.lifted == true or nil
  return ban
end

-- --- a file -------------------------------------------------------------------------------------

---Whether a ban is over.
---@param ban pomelua.Ban
---@param now number seconds since 1970
---@return boolean
function ban_list.is_over(ban, now) return ban.till ~= nil and ban.till <= now end

local function read_one(entry)
  if type(entry) ~= "table" or entry[1] ~= nil then
    return nil, "", "must be an object, got " .. tables.shown(entry)
  end
  for _, key in ipairs(tables.sorted_keys(entry)) do
    local known = false
    for _, one in ipairs(KEYS) do known = known or one == key end
    if not known then
      return nil, tostring(key), "there is no such key" .. near.hint(tostring(key), KEYS)
    end
  end
  if (entry.uid == nil) == (entry.address == nil) then
    return nil, "", "must have a uid or an address, and not both"
  end
  local ban, message, wrong = read_who(entry)
  if not ban then return nil, wrong, message end
  if entry.lifted ~= nil and (entry.since ~= nil or entry.reason ~= nil) then
    return nil, entry.since ~= nil and "since" or "reason",
      "an entry with lifted is no ban, it has neither since nor reason"
  end
  for key, field in pairs { since = "since", ["until"] = "till", lifted = "since" } do
    ban[field] = ban_list.time_of(entry[key]) or ban[field]
    if entry[key] ~= nil and not ban_list.time_of(entry[key]) then
      return nil, key, ("must be a time as \"2026-11-28T16:00:00Z\", in UTC, got %s")
        :format(tables.shown(entry[key]))
    end
  end
  ban.since = ban.since or 0
  ban.lifted = entry.lifted ~= nil or nil
  if ban.lifted then ban.till = ban.till or ban.since + KEPT end
  return ban
end

---Reads a file's text.
---@param name string of the file, for messages
---@param text string
---@return pomelua.Ban[]|nil list
---@return string|nil message one line with file, line and place
function ban_list.decode(name, text)
  local value, message = json_file.decode(name, text, true)
  if message then return nil, message end
  local function fault(key, what)
    return nil, ("%s:%d: %s%s"):format(name, json_lines.find(text, key) or 1,
      key ~= "" and key .. ": " or "", what)
  end
  if type(value) ~= "table" or type(value.bans) ~= "table" or value.bans[1] == nil
    and next(value.bans) ~= nil then
    return fault(type(value) == "table" and value.bans ~= nil and "bans" or "",
      'must be an object with an array "bans"')
  end
  for _, key in ipairs(tables.sorted_keys(value)) do
    if key ~= "bans" then return fault(tostring(key), "there is no such key") end
  end
  local list, seen = {}, {}
  for i, entry in ipairs(value.bans) do
    local place = ("bans[%d]"):format(i - 1)
    local ban, key, what = read_one(entry)
    if not ban then return fault(key ~= "" and place .. "." .. key or place, what) end
    local again = ban_list.key(ban)
    if seen[again] then
      return fault(place, ("%s has its entry in bans[%d] already"):format(ban_list.who(ban),
        seen[again] - 1))
    end
    seen[again] = i
    list[i] = ban
  end
  return list
end

local function field(name, value)
  return value ~= nil and ("%s: %s"):format(json.encode(name), json.encode(value)) or nil
end

local function line_of(ban)
  local parts = {}
  local function put(text) parts[#parts + 1] = text end
  put(field("uid", ban.uid))
  put(field("address", ban.address))
  put(field(ban.lifted and "lifted" or "since", ban_list.time_text(ban.since)))
  put(ban.till and field("until", ban_list.time_text(ban.till)))
  put(field("reason", ban.reason))
  return "    {" .. table.concat(parts, ", ") .. "}"
end

-- Their lines, since each change writes all of them: a ban is never changed, only replaced.
local known = setmetatable({}, { __mode = "k" })

---The text of a file.
---@param list pomelua.Ban[]
---@return string
function ban_list.encode(list)
  local lines = {}
  for i, ban in ipairs(list) do
    known[ban] = known[ban] or line_of(ban)
    lines[i] = known[ban]
  end
  if #lines == 0 then return '{\n  "bans": []\n}\n' end
  return '{\n  "bans": [\n' .. table.concat(lines, ",\n") .. "\n  ]\n}\n"
end

---A ban as one line for a person, behind who it is for.
---@param ban pomelua.Ban
---@param now number
---@return string
function ban_list.told(ban, now)
  local time = "until it is taken off"
  if ban.till then
    time = ("until %s (%s left)"):format(ban_list.time_text(ban.till),
      duration.text(ban.till - now))
  end
  return time .. (ban.reason and ", reason: " .. visible(ban.reason) or "")
end

return ban_list
