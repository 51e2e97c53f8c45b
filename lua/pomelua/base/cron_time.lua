-- cron_time: the six fields of a cron, and when it is due next. Pure: it reads no clock, and the
-- time zone is a function that it is given.
--
--   second minute hour day-of-month month day-of-week
--
-- Months are 0 to 11, as Pomelo has them, or jan to dec; days of the week 0 to 6, Sunday is 0, or
-- sun to sat. A field is a list of parts, with commas between them:
--
--   *      every value          n      that value          a-b    these values
--   */n    every n-th value     a-b/n  every n-th of these
--   r/p    the values whose remainder by p is r, as in Pomelo: 0/10
--
-- Day of month and day of week must both be right (protocol 20).
--
-- Where a clock is set forward, a time that does not exist on that day is due at the next second
-- that does. Where it is set back, a time that comes twice is due once, the first time. A cron of
-- every hour names no time of the day: it is due whenever the clock shows its minutes and seconds.
local cron_time = {}

---@class pomelua.CronTime
---@field sets table[] six lists: allowed values by number, with least= and most= of the field
---@field hourly boolean whether every hour is allowed

local MONTHS = {
  "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
  "november", "december",
}
local DAYS = { "sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday" }
local FIELDS = {
  { name = "second", least = 0, most = 59 },
  { name = "minute", least = 0, most = 59 },
  { name = "hour", least = 0, most = 23 },
  { name = "day of month", least = 1, most = 31 },
  { name = "month", least = 0, most = 11, names = MONTHS, hint = "; January is 0" },
  { name = "day of week", least = 0, most = 6, names = DAYS, hint = "; Sunday is 0" },
}
local DAY, HOUR = 86400, 3600
local DAYS_AHEAD = 366 * 41 -- 29 February on a given day of the week comes within 40 years
local NEAR = 36 * HOUR -- a zone's offset does not change twice in that time

-- --- reading ----------------------------------------------------------------------------------

local function range_of(field)
  return ("%d to %d%s"):format(field.least, field.most, field.hint or "")
end

-- A number or a name of a field; nil, and what is wrong.
local function value_of(field, text)
  for i, name in ipairs(field.names or {}) do
    local lower = text:lower()
    if lower == name or lower == name:sub(1, 3) then return i - 1 end
  end
  local n = text:find("^%d%d?$") and tonumber(text)
  if not n then return nil, ("%q is no %s"):format(text, field.name) end
  if field.name == "hour" and n == 24 then return 0 end -- as Pomelo reads it
  if n < field.least or n > field.most then
    return nil, ("%s must be %s, got %s"):format(field.name, range_of(field), text)
  end
  return n
end

local function positive(field, part, text)
  local n = text:find("^%d+$") and #text <= 4 and tonumber(text)
  if not n or n == 0 then
    return nil, ("%s: %q: the number behind / must be at least 1"):format(field.name, part)
  end
  return n
end

local function each_of(set, from, to, by)
  for i = from, to, by do set[i] = true end
  return true
end

-- "a-b", with or without "/n"
local function put_range(field, set, part, from, to, by)
  local low, message = value_of(field, from)
  local high, step = nil, 1
  if low then high, message = value_of(field, to) end
  if field.name == "hour" and to == "24" then high = 23 end
  if high and by then step, message = positive(field, part, by) end
  if not low or not high or not step then return nil, message end
  if low > high then
    return nil, ("%s: %q runs backwards; write two parts with a comma"):format(field.name, part)
  end
  return each_of(set, low, high, step)
end

local function put_part(field, set, part)
  if part == "*" then return each_of(set, field.least, field.most, 1) end
  local by = part:match("^%*/(.*)$")
  if by then
    local n, message = positive(field, part, by)
    if not n then return nil, message end
    return each_of(set, field.least, field.most, n)
  end
  local from, to, rest = part:match("^(%w+)%-(%w+)(.*)$")
  if from and (rest == "" or rest:sub(1, 1) == "/") then
    return put_range(field, set, part, from, to, rest ~= "" and rest:sub(2) or nil)
  end
  local remainder, period = part:match("^(%d+)/(.*)$")
  if remainder then
    local n, message = positive(field, part, period)
    if not n then return nil, message end
    remainder = tonumber(remainder)
    for i = field.least, field.most do
      if i % n == remainder then set[i] = true end
    end
    return true
  end
  local value, message = value_of(field, part)
  if not value then return nil, message end
  set[value] = true
  return true
end

-- The allowed values of a field.
local function set_of(field, text)
  local set = { least = field.least, most = field.most }
  if text:find("^,") or text:find(",,", 1, true) or text:find(",$") then
    return nil, ("%s: %q has a comma too many"):format(field.name, text)
  end
  for part in text:gmatch("[^,]+") do
    local ok, message = put_part(field, set, part)
    if not ok then return nil, message end
  end
  for i = field.least, field.most do
    if set[i] then return set end
  end
  return nil, ("%s: %q allows no value of %s"):format(field.name, text, range_of(field))
end

local LENGTHS = { [0] = 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

-- Whether one of the allowed months has one of the allowed days.
local function has_day(days, months)
  for month = 0, 11 do
    for day = 1, months[month] and LENGTHS[month] or 0 do
      if days[day] then return true end
    end
  end
  return false
end

---Reads the six fields.
---@param text string
---@return pomelua.CronTime|nil
---@return string|nil message
function cron_time.parse(text)
  if type(text) ~= "string" then
    return nil, "must be a text of six fields, got a " .. type(text)
  end
  local words = {}
  for word in text:gmatch("%S+") do words[#words + 1] = word end
  if #words ~= #FIELDS then
    return nil, ("%q: must have six fields, second minute hour day-of-month month day-of-week, "
      .. "and has %d"):format(text, #words)
  end
  local sets, hourly = {}, true
  for i, field in ipairs(FIELDS) do
    local set, message = set_of(field, words[i])
    if not set then return nil, ("%q: %s"):format(text, message) end
    sets[i] = set
  end
  for hour = 0, 23 do hourly = hourly and sets[3][hour] == true end
  if not has_day(sets[4], sets[5]) then
    return nil, ("%q: no month of these has such a day"):format(text)
  end
  return { sets = sets, hourly = hourly }
end

-- --- the clock on the wall --------------------------------------------------------------------
-- A wall is what a clock on the wall shows, in seconds since 1 January 1970 0:00 on that clock.

-- The month (0 to 11) and the day of month of a day since 1970 (H. Hinnant's civil_from_days).
local function date_of(day)
  local z = day + 719468
  local era = math.floor(z / 146097)
  local in_era = z - era * 146097
  local year = math.floor((in_era - math.floor(in_era / 1460) + math.floor(in_era / 36524)
    - math.floor(in_era / 146096)) / 365)
  local in_year = in_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local shifted = math.floor((5 * in_year + 2) / 153)
  local date = in_year - math.floor((153 * shifted + 2) / 5) + 1
  return (shifted + 2) % 12, date
end

local function day_fits(sets, day)
  if not sets[6][(day + 4) % 7] then return false end -- 1 January 1970 was a Thursday
  local month, date = date_of(day)
  return sets[5][month] and sets[4][date] or false
end

local function next_in(set, from)
  for i = from, set.most do
    if set[i] then return i end
  end
end

-- The first time of a day, in seconds, that is not before `from`.
local function time_in_day(sets, from)
  local hour, minute, second = math.floor(from / HOUR), math.floor(from / 60) % 60, from % 60
  local h = next_in(sets[3], hour)
  while h do
    local m = next_in(sets[2], h == hour and minute or 0)
    while m do
      local s = next_in(sets[1], h == hour and m == minute and second or 0)
      if s then return h * HOUR + m * 60 + s end
      m = next_in(sets[2], m + 1)
    end
    h = next_in(sets[3], h + 1)
  end
end

-- The first wall that is not before `from`; nil: there is none.
local function next_wall(sets, from)
  local day, rest = math.floor(from / DAY), from % DAY
  for i = 0, DAYS_AHEAD do
    if day_fits(sets, day + i) then
      local time = time_in_day(sets, i == 0 and rest or 0)
      if time then return (day + i) * DAY + time end
    end
  end
end

-- --- walls and times --------------------------------------------------------------------------

-- The first second in (low, high] whose offset is another one than that of low.
local function change_between(low, high, offset)
  local before = offset(low)
  while high - low > 1 do
    local middle = math.floor((low + high) / 2)
    if offset(middle) == before then low = middle else high = middle end
  end
  return high
end

-- The first time at which a clock shows a wall; when none does, the first time behind it.
local function time_of(wall, offset)
  local low, high = offset(wall - NEAR), offset(wall + NEAR)
  local first = wall - math.max(low, high)
  local second = wall - math.min(low, high)
  if offset(first) == wall - first then return first end
  if offset(second) == wall - second then return second end
  return change_between(first - 1, second + 1, offset)
end

-- A cron of every hour: the time goes on, whatever the clock shows.
local function next_hourly(sets, from, offset)
  local at = from + 1
  for _ = 1, 8 do -- of changes of the offset
    local shift = offset(at)
    local wall = next_wall(sets, at + shift)
    if not wall then return nil end
    local time = wall - shift
    if offset(time) == shift then return time end
    at = change_between(at, time, offset)
  end
end

---When a cron is due next.
---@param spec pomelua.CronTime
---@param from number seconds since 1970
---@param offset fun(time: number): number what must be added to such a time for the local clock
---@return number|nil time behind `from`, a whole second; nil: never
function cron_time.next(spec, from, offset)
  from = math.floor(from)
  if spec.hourly then return next_hourly(spec.sets, from, offset) end
  local wall = from + offset(from)
  while true do
    wall = next_wall(spec.sets, wall + 1)
    if not wall then return nil end
    local time = time_of(wall, offset)
    if time > from then return time end
  end
end

---The offset of this process's time zone (TZ).
---@param time number seconds since 1970
---@return number seconds
function cron_time.offset(time)
  local t = os.date("*t", time)
  local month, year = t.month, t.year
  -- Days since 1970, by the same calendar.
  local y = month <= 2 and year - 1 or year
  local era = math.floor(y / 400)
  local of_era = y - era * 400
  local in_year = math.floor((153 * ((month + 9) % 12) + 2) / 5) + t.day - 1
  local day = era * 146097 + of_era * 365 + math.floor(of_era / 4) - math.floor(of_era / 100)
    + in_year - 719468
  return day * DAY + t.hour * HOUR + t.min * 60 + t.sec - time
end

return cron_time
