-- test.matchers: assert.pushed and assert.answers, whose failures say what was expected, what
-- came, and the last log lines of the server that was asked.
local client = require "pomelua.client"
local match = require "pomelua.base.match"
local pretty = require "pomelua.base.pretty"
local tables = require "pomelua.base.tables"

local LOG_LINES, PUSHES, WIDTH = 10, 10, 300

-- One line of it, no longer than a person reads.
local function short(text)
  text = text:gsub("%s*\n%s*", " ")
  return #text > WIDTH and text:sub(1, WIDTH) .. " …" or text
end

-- The last lines of a server's log; a closed server and a client have none.
local function log_of(who)
  if not (type(who) == "table" and who.log and who.node) then return "" end
  local lines, log = {}, who:log()
  for i = math.max(1, #log - LOG_LINES + 1), #log do
    lines[#lines + 1] = short(("  %-5s %s %s"):format(log[i].level,
      log[i].server or who.inner.id, log[i].text))
  end
  return #lines > 0 and "\nLog:\n" .. table.concat(lines, "\n") or ""
end

local function names(list)
  local texts = {}
  for i, uid in ipairs(list or {}) do texts[i] = tostring(uid) end
  table.sort(texts)
  return table.concat(texts, ", ")
end

local function shown(push)
  return ("  %s %s%s%s"):format(push.route, pretty(push.msg),
    push.delivery and " " .. push.delivery or "",
    push.everyone and " to everyone" or push.to and " to " .. names(push.to) or "")
end

local function fits(push, route, expected)
  if push.route ~= route or not match(push.msg, expected.msg) then return false end
  local everyone = push.everyone or false
  if expected.everyone ~= nil and everyone ~= expected.everyone then return false end
  if expected.delivery and (push.delivery or "reliable") ~= expected.delivery then return false end
  return not expected.to or names(push.to) == names(expected.to)
end

-- The pushes of the route come first; among the others there may be a mistyped route.
local function all_shown(list, route)
  local lines, others = {}, {}
  for _, push in ipairs(list) do
    table.insert(push.route == route and lines or others, short(shown(push)))
  end
  for _, line in ipairs(others) do lines[#lines + 1] = line end
  local more = #lines - PUSHES
  if more > 0 then
    for i = #lines, PUSHES + 1, -1 do lines[i] = nil end
    lines[#lines + 1] = ("  and %d more"):format(more)
  end
  return #lines > 0 and table.concat(lines, "\n") or "  nothing"
end

local function pushes_of(who)
  if type(who) == "table" and who.peek then return who:peek() end
  if type(who) == "table" and type(who.pushes) == "table" then
    client.wait(0)
    return who.pushes
  end
  error("assert.pushed(server, route, { to =, msg = }): the first is a server or a client", 4)
end

-- A field with a typing mistake would expect nothing.
local function check_expected(expected)
  for key in pairs(type(expected) == "table" and expected or {}) do
    if key ~= "to" and key ~= "msg" and key ~= "everyone" and key ~= "delivery" then
      error(("assert.pushed(server, route, { to =, msg =, everyone =, delivery = }): there is no "
        .. "%s"):format(tostring(key)), 4)
    end
  end
  local to = type(expected) == "table" and expected.to or {}
  if type(expected) ~= "table" or type(to) ~= "table" then
    error(("assert.pushed(server, route, { to =, msg =, everyone = }): %s, got %s"):format(
      type(expected) ~= "table" and "the third is a table" or "to is a list of uids",
      tables.shown(type(expected) ~= "table" and expected or to)), 4)
  end
end

-- assert.pushed(server, route, { to =, msg =, everyone =, delivery = })
local function pushed()
  return function(state, arguments)
    local who, route, expected = arguments[1], arguments[2], arguments[3] or {}
    local list = pushes_of(who)
    check_expected(expected)
    local found = false
    for _, push in ipairs(list) do found = found or fits(push, route, expected) end
    local wanted = shown {
      route = tostring(route), msg = expected.msg, to = expected.to, everyone = expected.everyone,
      delivery = expected.delivery,
    }
    state.failure_message = ("Expected %s push:\n%s\nCame:\n%s%s"):format(
      state.mod and "the" or "no such", (wanted:gsub(" nil", "", 1)),
      all_shown(list, route), log_of(who))
    return found
  end
end

-- assert.answers(server, expected, route, msg, session): asks a server or a client.
local function answers()
  return function(state, arguments)
    local who, expected, route, msg, session = unpack(arguments, 1, 5)
    if type(who) ~= "table" or not who.request then
      error("assert.answers(server, expected, route, msg, session): the first is a server or a "
        .. "client", 3)
    end
    local answer = who:request(route, msg, session)
    state.failure_message = ("Expected %s %s:\n  %s\nCame:\n  %s%s"):format(route,
      state.mod and "to answer" or "not to answer", pretty(expected),
      answer == nil and "no answer" or pretty(answer), log_of(who))
    return answer ~= nil and match(answer, expected)
  end
end

return function()
  local found, assert = pcall(require, "luassert")
  if not found then return end
  local say = require "say"
  for name, check in pairs { pushed = pushed(), answers = answers() } do
    say:set("assertion." .. name, "not " .. name)
    assert:register("assertion", name, check, "assertion." .. name, "assertion." .. name)
  end
end
