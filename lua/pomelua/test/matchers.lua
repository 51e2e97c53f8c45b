-- test.matchers: assert.pushed and assert.answers, whose failures say what was expected, what
-- came, and the last log lines of the servers.
local match = require "pomelua.match"
local pretty = require "pomelua.pretty"

local LOG_LINES = 10

local function log_of(open)
  local lines = {}
  for _, one in ipairs(open) do
    local log = (one.node or one.core) and one:log() or {} -- it may be closed already
    for i = math.max(1, #log - LOG_LINES + 1), #log do
      lines[#lines + 1] = ("  %-5s %s %s"):format(log[i].level,
        log[i].server or one.half.id, log[i].text)
    end
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
  return ("  %s %s%s"):format(push.route, pretty(push.msg),
    push.everyone and " to everyone" or push.to and " to " .. names(push.to) or "")
end

local function fits(push, route, expected)
  if push.route ~= route or not match(push.msg, expected.msg) then return false end
  local everyone = push.everyone or false
  if expected.everyone ~= nil and everyone ~= expected.everyone then return false end
  return not expected.to or names(push.to) == names(expected.to)
end

local function all_shown(list)
  local lines = {}
  for i, push in ipairs(list) do lines[i] = shown(push) end
  return #lines > 0 and table.concat(lines, "\n") or "  nothing"
end

local function pushes_of(who)
  if type(who) == "table" and who.peek then return who:peek() end
  if type(who) == "table" and type(who.pushes) == "table" then
    require("pomelua.client").wait(0)
    return who.pushes
  end
  error("assert.pushed(server, route, { to =, msg = }): the first is a server or a client", 4)
end

-- assert.pushed(server, route, { to =, msg =, everyone = })
local function pushed(open)
  return function(state, arguments)
    local who, route, expected = arguments[1], arguments[2], arguments[3] or {}
    local list = pushes_of(who)
    local found = false
    for _, push in ipairs(list) do found = found or fits(push, route, expected) end
    local wanted = shown {
      route = tostring(route), msg = expected.msg, to = expected.to, everyone = expected.everyone,
    }
    state.failure_message = ("Expected %s push:\n%s\nCame:\n%s%s"):format(
      state.mod and "the" or "no such", wanted:gsub(" nil", "", 1), all_shown(list), log_of(open))
    return found
  end
end

-- assert.answers(server, expected, route, msg, session): asks a server or a client.
local function answers(open)
  return function(state, arguments)
    local who, expected, route, msg, session = unpack(arguments, 1, 5)
    if type(who) ~= "table" or not who.request then
      error("assert.answers(server, expected, route, msg, session): the first is a server or a "
        .. "client", 3)
    end
    local answer = who:request(route, msg, session)
    state.failure_message = ("Expected %s %s:\n  %s\nCame:\n  %s%s"):format(route,
      state.mod and "to answer" or "not to answer", pretty(expected),
      answer == nil and "no answer" or pretty(answer), log_of(open))
    return answer ~= nil and match(answer, expected)
  end
end

---@param open table[] the servers whose logs failures show
return function(open)
  local found, assert = pcall(require, "luassert")
  if not found then return end
  local say = require "say"
  for name, check in pairs { pushed = pushed(open), answers = answers(open) } do
    say:set("assertion." .. name, "not " .. name)
    assert:register("assertion", name, check, "assertion." .. name, "assertion." .. name)
  end
end
