-- test.http: other services, as a spec plays them: what http.request asks is answered by functions
-- of the spec, in the server's virtual time.
local call = require "pomelua.store.call"
local errors = require "pomelua.base.errors"
local handles = require "pomelua.store.handles"
local http = require "pomelua.store.http"
local json = require "pomelua.base.json"
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"
local task = require "pomelua.run.task"
local timers = require "pomelua.run.timers"

local kit = {
  services = nil, -- what the spec has given, and what was asked of it
  failures = {}, -- what makes the `it` fail
}

local CODES = {
  TIMEOUT = true, BUSY = true, CLOSED = true, PRIVATE = true, RANGE = true, HTTP = true,
}
local ANSWER = { status = true, headers = true, body = true, json = true }

---@class pomelua.test.HttpCall what a stub gets, and calls has
---@field method string
---@field url string
---@field headers table<string, string> by their names in lower case
---@field body string|nil
---@field json any the body's value, when it was sent as JSON
---@field timeout number milliseconds

---@class pomelua.test.Services
---@field calls pomelua.test.HttpCall[] in their order

local function check(stubs)
  if type(stubs) ~= "table" then
    error("test.http{ [\"GET https://...\"] = function(req) ... end }: a table, got a "
      .. type(stubs), 3)
  end
  for name, fn in pairs(stubs) do
    if type(name) ~= "string" or not name:find("^%u+ https?://.") then
      error(("test.http: the name of a stub is a method and an url, as \"POST "
        .. "https://auth/verify\", got %s"):format(tables.shown(name)), 3)
    end
    if type(fn) ~= "function" then
      error(("test.http: the stub of %q must be a function, got a %s"):format(name, type(fn)), 3)
    end
  end
end

---Answers the requests of servers of test.server from here on.
---@param stubs table<string, fun(req: pomelua.test.HttpCall): table|nil, any>
---@param of_test boolean whether they end with the running `it`
---@return pomelua.test.Services
function kit.set(stubs, of_test)
  check(stubs)
  kit.services = { stubs = stubs, calls = {} }
  kit.of_test = of_test
  return kit.services
end

---What makes the running `it` fail; it is told once.
---@return string|nil text
function kit.failures_of()
  local text = kit.failures[1] and table.concat(kit.failures, "\n")
  kit.failures = {}
  return text
end

---An `it` has ended. What it has not been told, because it had failed already, is for the reader.
function kit.test_ended()
  local text = kit.failures_of()
  if text then io.stderr:write(text, "\n") end
  if kit.of_test then kit.services = nil end
end

---All stubs end.
function kit.forget() kit.services = nil end

-- The stub of a request: of its url, of its url without the query, or of the longest beginning of
-- it that ends with *.
local function stub_of(stubs, method, url)
  local whole = method .. " " .. url
  local plain = whole:match("^([^?#]*)")
  if stubs[whole] then return stubs[whole], whole end
  if stubs[plain] then return stubs[plain], plain end
  local best
  for name in pairs(stubs) do
    local start = name:match("^(.*)%*$")
    if start and plain:sub(1, #start) == start and (not best or #name > #best) then best = name end
  end
  return stubs[best], best
end

local function no_stub(stubs, sent)
  local name = ("%s %s"):format(sent.method, sent.url:match("^([^?#]*)"))
  local names = tables.sorted_keys(stubs)
  local has = names[1] and "there are " .. table.concat(names, ", ") or "there are none"
  return ("test.http has no stub for %q: %s%s"):format(name, has, near.hint(name, stubs))
end

local function failure(text)
  kit.failures[#kit.failures + 1] = text
  return errors.new(text, "HTTP")
end

local function call_of(sent, ms)
  local headers = {}
  for _, header in ipairs(sent.headers) do headers[header[1]:lower()] = header[2] end
  local answer = http.answer(0, headers, sent.body or "")
  return {
    method = sent.method, url = sent.url, headers = headers, body = sent.body, json = answer.json,
    timeout = ms,
  }
end

local function lower(headers)
  local list = {}
  for name, value in pairs(headers or {}) do list[name:lower()] = tostring(value) end
  return list
end

-- What a stub has returned, as an answer, or an error.
local function answer_of(name, value, err, max_body)
  if value == nil and err ~= nil then
    if errors.is(err) then return nil, err end
    if CODES[err] then return nil, errors.new(("the stub of %q says %s"):format(name, err), err) end
    return nil, errors.new(errors.text(err), "HTTP")
  end
  if type(value) ~= "table" then
    return nil, failure(("test.http: the stub of %q must return a table such as { status = 200, "
      .. "json = {...} }, or nil and an error, got %s"):format(name, tables.shown(value)))
  end
  for key in pairs(value) do
    if not ANSWER[key] then
      return nil, failure(("test.http: the stub of %q has returned %s, which no answer has%s")
        :format(name, tostring(key), near.hint(key, ANSWER)))
    end
  end
  local headers, body = lower(value.headers), value.body or ""
  if value.json ~= nil then
    local text, message = json.encode(value.json, "json")
    if not text then
      return nil, failure(("test.http: the stub of %q: %s"):format(name, message))
    end
    body = text
    headers["content-type"] = headers["content-type"] or "application/json"
  end
  if #body > max_body then
    return nil, errors.new(("the body of the answer is larger than %d bytes"):format(max_body),
      "RANGE")
  end
  return http.answer(value.status or 200, headers, body)
end

local function deliver(record, answer, err)
  if err then return record.cb(err) end
  record.cb(nil, answer)
end

-- The end of a request, once.
local function finish(record, answer, err)
  local server = record.server
  if record.over then return end
  record.over = true
  timers.stop(server, record)
  server.stores.records[record] = nil
  if record.wake then
    record.answer, record.err = answer, err
    record.wake()
  elseif record.cb then
    task.run_for(record.work, server, record.owner, deliver, record, answer, err)
  else
    record.answer, record.err = answer, err -- before its task waits
  end
end

local function expired(_, record)
  finish(record, nil, errors.new(("no answer in %d ms"):format(record.ms), "TIMEOUT"))
end

local function session_over(record)
  finish(record, nil, errors.new("the session has ended for which this was asked", "CLOSED"))
end

local function run(record, stub, name)
  local ok, value, err = pcall(stub, record.asked)
  if not ok then
    finish(record, nil, failure(("test.http: the stub of %q: %s"):format(name,
      errors.text(value))))
    return
  end
  finish(record, answer_of(name, value, err, record.max_body))
end

local function begin(record, sent)
  local services = kit.services or { stubs = {}, calls = {} }
  table.insert(services.calls, record.asked)
  local stub, name = stub_of(services.stubs, sent.method, sent.url)
  if not stub then
    finish(record, nil, failure(no_stub(services.stubs, sent)))
    return
  end
  task.run(record.server, record.server:context("test.http"), run, record, stub, name)
end

---What store/http calls in the place of C.
function kit.send(server, sent, ms, cb)
  ms = call.time_left(server, ms)
  local record = {
    server = server, owner = task.owner() or server:context("callback of a store"), cb = cb,
    work = task.work(), ms = ms, fire = expired, session_ended = session_over,
    asked = call_of(sent, ms),
    max_body = sent.max_body or server.checked.http.maxBody,
  }
  handles.stores_of(server).records[record] = record
  call.tie(server, record)
  timers.start(server, math.max(1, ms), record)
  if cb then
    task.defer(server, record.owner, begin, record, sent)
    return
  end
  begin(record, sent)
  if not record.over then task.park(function(wake) record.wake = wake end) end
  if record.err then return nil, record.err end
  return record.answer
end

return kit
