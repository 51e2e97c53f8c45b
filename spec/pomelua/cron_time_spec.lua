-- When a cron is due: the six fields, and days on which the clock is set forward or back.
-- Tests base/cron_time.lua.
local cron_time = require "pomelua.base.cron_time"
local zone = require "spec.support.zone"

-- "2026-03-29 02:30:00", or with a zone's name behind it when it comes twice.
local function shown(time) return time and os.date("%Y-%m-%d %H:%M:%S %Z", time) end

local function at(text)
  local y, mo, d, h, mi, s, name = text:match("(%d+)-(%d+)-(%d+) (%d+):(%d+):(%d+) ?(%a*)")
  local t = os.time { year = y, month = mo, day = d, hour = h, min = mi, sec = s }
  for shift = -3600, 3600, 3600 do
    local found = shown(t + shift)
    if found:sub(1, 19) == text:sub(1, 19) and (name == "" or found:sub(21) == name) then
      return t + shift
    end
  end
  error(text .. " does not exist")
end

-- The times that follow one, without their date when that is the first's.
local function times(fields, from, n)
  local spec = assert(cron_time.parse(fields))
  local list, time = {}, at(from)
  for i = 1, n do
    time = cron_time.next(spec, time, cron_time.offset)
    list[i] = shown(time)
  end
  return list
end

describe("the six fields", function()
  setup(function() zone "UTC" end)
  teardown(function() zone() end)

  local function values(text, number)
    local spec = assert(cron_time.parse(text))
    local list, set = {}, spec.sets[number]
    for i = set.least, set.most do
      if set[i] then list[#list + 1] = i end
    end
    return table.concat(list, " ")
  end

  for text, row in pairs {
    ["* 5 * * * *"] = { 2, "5" },
    ["5,7,5 * * * *  *"] = { 1, "5 7" },
    ["1-3,9 * * * * *"] = { 1, "1 2 3 9" },
    ["*/20 * * * * *"] = { 1, "0 20 40" },
    ["0/20 * * * * *"] = { 1, "0 20 40" },
    ["3/25 * * * * *"] = { 1, "3 28 53" },
    ["10-20/5 * * * * *"] = { 1, "10 15 20" },
    ["* * 0-24 * * *"] = { 3, "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23" },
    ["* * 24 * * *"] = { 3, "0" },
    ["* * * */10 * *"] = { 4, "1 11 21 31" },
    ["* * * 0/10 * *"] = { 4, "10 20 30" },
    ["* * * * 0,11 *"] = { 5, "0 11" },
    ["* * * * jan,Mar-MAY,december *"] = { 5, "0 2 3 4 11" },
    ["* * * * * mon-fri"] = { 6, "1 2 3 4 5" },
    ["* * * * * 0,Saturday"] = { 6, "0 6" },
  } do
    it("are read: " .. text, function() assert.equal(row[2], values(text, row[1])) end)
  end

  for text, message in pairs {
    ["* * * * *"] = "must have six fields, second minute hour day-of-month month day-of-week, "
      .. "and has 5",
    [""] = "must have six fields",
    ["60 * * * * *"] = "second must be 0 to 59, got 60",
    ["* * 25 * * *"] = "hour must be 0 to 23, got 25",
    ["* * * 0 * *"] = "day of month must be 1 to 31, got 0",
    ["* * * * 12 *"] = "month must be 0 to 11; January is 0, got 12",
    ["* * * * * 7"] = "day of week must be 0 to 6; Sunday is 0, got 7",
    ["* * * * ja *"] = '"ja" is no month',
    ["* mon * * * *"] = '"mon" is no minute',
    ["*/0 * * * * *"] = "the number behind / must be at least 1",
    ["*/x * * * * *"] = "the number behind / must be at least 1",
    ["5-1 * * * * *"] = '"5-1" runs backwards',
    ["1,,2 * * * * *"] = "has a comma too many",
    ["70/60 * * * * *"] = '"70/60" allows no value of 0 to 59',
    ["-1 * * * * *"] = '"-1" is no second',
    ["1.5 * * * * *"] = '"1.5" is no second',
    ["* * * 31 3 *"] = "no month of these has such a day",
    ["* * * 30 feb *"] = "no month of these has such a day",
  } do
    it("are refused: " .. text, function()
      local spec, wrong = cron_time.parse(text)
      assert.is_nil(spec)
      assert.truthy(wrong:find(message, 1, true), wrong)
    end)
  end

  it("are a text", function()
    assert.same({ nil, "must be a text of six fields, got a number" }, { cron_time.parse(5) })
  end)

  for what, row in pairs {
    ["the next second"] = { "* * * * * *", "2026-05-01 10:00:00", "2026-05-01 10:00:01 UTC" },
    ["not the time itself"] = { "0 0 10 * * *", "2026-05-01 10:00:00", "2026-05-02 10:00:00 UTC" },
    ["each ten seconds"] = { "0/10 * * * * *", "2026-05-01 10:00:55", "2026-05-01 10:01:00 UTC" },
    ["the next year"] = { "0 0 0 1 0 *", "2026-05-01 10:00:00", "2027-01-01 00:00:00 UTC" },
    ["a leap year"] = { "0 0 0 29 feb *", "2026-05-01 10:00:00", "2028-02-29 00:00:00 UTC" },
    ["a leap day that is a Monday"] = { "0 0 0 29 1 1", "2026-05-01 10:00:00",
      "2044-02-29 00:00:00 UTC" },
    ["day and day of the week both"] = { "0 0 0 13 * fri", "2026-05-01 10:00:00",
      "2026-11-13 00:00:00 UTC" },
    ["a workday"] = { "0 30 8 * * mon-fri", "2026-05-01 10:00:00", "2026-05-04 08:30:00 UTC" },
    ["the last second of a year"] = { "59 59 23 31 11 *", "2026-12-31 23:59:59",
      "2027-12-31 23:59:59 UTC" },
    ["the end of a month"] = { "0 0 12 31 * *", "2026-04-01 00:00:00", "2026-05-31 12:00:00 UTC" },
  } do
    it("mean " .. what, function() assert.same({ row[3] }, times(row[1], row[2], 1)) end)
  end

  it("agree with a look at every minute of two months", function()
    local fields = "0 */7 1-5,22 2-30/3 1,2 sun-wed"
    local spec = assert(cron_time.parse(fields))
    local expected, from = {}, at "2026-01-31 00:00:00"
    for time = from + 60, from + 60 * 86400, 60 do
      local t = os.date("!*t", time)
      if t.min % 7 == 0 and (t.hour >= 1 and t.hour <= 5 or t.hour == 22) and t.day % 3 == 2
        and (t.month == 2 or t.month == 3) and t.wday <= 4 then
        expected[#expected + 1] = time
      end
    end
    local found, time = {}, from
    for i = 1, #expected do
      time = cron_time.next(spec, time, cron_time.offset)
      found[i] = time
    end
    assert(#expected > 300)
    assert.same(expected, found)
  end)

  it("of no time at all in forty years would never be due", function()
    local spec = assert(cron_time.parse("0 0 0 29 1 *"))
    spec.sets[6] = { least = 0, most = 6 }
    assert.is_nil(cron_time.next(spec, 0, cron_time.offset))
  end)
end)

describe("where the clock is set forward", function()
  after_each(function() zone() end)

  it("a time that does not exist is due at the next second that does: Berlin", function()
    zone "Europe/Berlin"
    assert.same({ "2026-03-28 02:30:00 CET", "2026-03-29 03:00:00 CEST",
      "2026-03-30 02:30:00 CEST" }, times("0 30 2 * * *", "2026-03-28 00:00:00", 3))
  end)

  it("it is due once, however many of its times do not exist", function()
    zone "Europe/Berlin"
    assert.same({ "2026-03-29 03:00:00 CEST", "2026-03-30 02:00:00 CEST" },
      times("0 */10 2 * * *", "2026-03-29 01:00:00", 2))
    assert.same({ "2026-03-29 01:59:00 CET", "2026-03-29 03:00:00 CEST",
      "2026-03-29 03:01:00 CEST" }, times("0 * 1-3 * * *", "2026-03-29 01:58:00", 3))
  end)

  it("the same in New York", function()
    zone "America/New_York"
    assert.same({ "2026-03-08 03:00:00 EDT", "2026-03-09 02:15:30 EDT" },
      times("30 15 2 * * *", "2026-03-07 12:00:00", 2))
  end)

  it("a cron of every hour goes on", function()
    zone "Europe/Berlin"
    assert.same({ "2026-03-29 01:30:00 CET", "2026-03-29 03:30:00 CEST" },
      times("0 30 * * * *", "2026-03-29 01:00:00", 2))
    assert.same({ "2026-03-29 01:59:59 CET", "2026-03-29 03:00:00 CEST" },
      times("* * * * * *", "2026-03-29 01:59:58", 2))
  end)

  it("a day that does not exist is due when the next one begins: Apia, 30 December 2011", function()
    zone "Pacific/Apia"
    local found = times("0 0 12 30 11 *", "2011-12-29 13:00:00", 1)
    assert.equal("2011-12-31 00:00:00", found[1]:sub(1, 19))
  end)
end)

describe("where the clock is set back", function()
  after_each(function() zone() end)

  it("a time that comes twice is due once, the first time: Berlin", function()
    zone "Europe/Berlin"
    assert.same({ "2026-10-25 02:30:00 CEST", "2026-10-26 02:30:00 CET" },
      times("0 30 2 * * *", "2026-10-25 00:00:00", 2))
    assert.same({ "2026-10-26 02:30:00 CET" },
      times("0 30 2 * * *", "2026-10-25 02:10:00 CET", 1))
  end)

  it("the same in New York", function()
    zone "America/New_York"
    assert.same({ "2026-11-01 01:30:00 EDT", "2026-11-02 01:30:00 EST" },
      times("0 30 1 * * *", "2026-11-01 00:00:00", 2))
  end)

  it("and by half an hour: Lord Howe", function()
    zone "Australia/Lord_Howe"
    local found = times("0 45 1 * * *", "2026-04-05 00:00:00", 2)
    assert.equal("2026-04-05 01:45:00", found[1]:sub(1, 19))
    assert.equal("2026-04-06 01:45:00", found[2]:sub(1, 19))
  end)

  it("all times of the hour are due once", function()
    zone "Europe/Berlin"
    assert.same({ "2026-10-25 02:20:00 CEST", "2026-10-25 02:40:00 CEST",
      "2026-10-26 02:00:00 CET" }, times("0 */20 2 * * *", "2026-10-25 02:00:00 CEST", 3))
  end)

  it("a cron of every hour goes on, in the hour that comes twice as well", function()
    zone "Europe/Berlin"
    assert.same({ "2026-10-25 02:30:00 CEST", "2026-10-25 02:30:00 CET",
      "2026-10-25 03:30:00 CET" }, times("0 30 * * * *", "2026-10-25 02:00:00 CEST", 3))
    assert.same({ "2026-10-25 02:59:59 CEST", "2026-10-25 02:00:00 CET" },
      times("* * * * * *", "2026-10-25 02:59:58 CEST", 2))
  end)
end)
