-- http: http.request. Requests go through one store of the server, which opens with the first; in
-- the test kit the spec answers them.
local call = require "pomelua.store.call"
local current = require "pomelua.base.current"
local errors = require "pomelua.base.errors"
local files = require "pomelua.base.files"
local handles = require "pomelua.store.handles"
local http_options = require "pomelua.store.http_options"
local json = require "pomelua.base.json"
local task = require "pomelua.run.task"

local http = {}

-- The most that one answer takes here: the largest body, and headers.
local BYTES = 16777216 + 1048576

-- What app:set("httpConfig", ...) may hold stands in app/settings; without a server its defaults.
local DEFAULTS = { timeout = 4000, waiting = 1024, maxBody = 1048576, allowPrivate = {} }

-- The part of a server that belongs to this file, made when it is needed first.
local function part_of(server)
  local config = server and server.checked and server.checked.http or DEFAULTS
  local part = server and server.http_out
  if part and part.config == config then return part end
  local counts = part and part.counts or {
    httpOutRequests = 0, httpOutErrors = 0, httpOutTimeouts = 0, httpOutRefused = 0,
    httpOutPrivate = 0, httpOutTooLarge = 0,
  }
  if part and part.handle then
    part.handle.users = 0
    part.handle:close_if_idle()
  end
  part = { config = config, counts = counts, handle = nil }
  if server then server.http_out = part end
  return part
end

local function handle_of(server, part)
  if part.handle then return part.handle end
  local c = part.config
  part.handle = handles.of("http", {
    timeout = c.timeout, waiting = c.waiting, bytes = BYTES, connections = c.connections,
    connectionsPerHost = c.connectionsPerHost, connectTimeout = c.connectTimeout, idle = c.idle,
    maxHeaders = c.maxHeaders, allowPrivate = c.allowPrivate,
    caFile = c.caFile and files.from(server and server.base or ".", c.caFile),
  }, "http")
  -- It belongs to the server, and not to the file that happens to load now.
  part.handle.users = part.handle.users + 1
  return part.handle
end

-- Several headers of a name are one, with their values in a row (RFC 9110 5.3); cookies, in whose
-- values commas stand, on lines.
local function put_header(headers, name, value)
  local before = headers[name]
  if before then value = before .. (name == "set-cookie" and "\n" or ", ") .. value end
  headers[name] = value
end

local function is_json(kind)
  kind = kind and kind:match("^%s*([^;%s]*)"):lower()
  return kind ~= nil and (kind == "application/json" or kind:find("^[^/]+/[^/]+%+json$") ~= nil)
end

---The answer as a game gets it.
---@param status number
---@param headers table<string, string>
---@param body string
---@return pomelua.HttpAnswer
function http.answer(status, headers, body)
  local answer = { status = status, headers = headers, body = body }
  if is_json(headers["content-type"]) then answer.json = json.decode(body) end
  return answer
end

local function answer_of(values)
  local headers = {}
  for i = 3, #values, 2 do put_header(headers, values[i], values[i + 1]) end
  return http.answer(values[1], headers, values[2])
end

local COUNTERS = { TIMEOUT = "httpOutTimeouts", BUSY = "httpOutRefused", PRIVATE = "httpOutPrivate",
  RANGE = "httpOutTooLarge" }

-- A request that failed; it was no database.
local function error_of(part, err)
  local counts, name = part.counts, COUNTERS[err.code]
  counts.httpOutErrors = counts.httpOutErrors + 1
  if name then counts[name] = counts[name] + 1 end
  if err.code == "DB" then err.code = "HTTP" end
  return err
end

-- In the test kit.
local function ask_spec(server, part, sent, cb)
  if not cb and not task.can_wait() then call.cannot_wait("http.request") end
  local ms = sent.timeout or part.config.timeout
  local answer, err = server.http_stub(server, sent, ms, cb and function(wrong, value)
    return cb(wrong and error_of(part, wrong), value)
  end)
  return answer, err and error_of(part, err)
end

---@class pomelua.HttpAnswer
---@field status number 200, 404, …: each of them is an answer, and no error
---@field headers table<string, string> by their names in lower case
---@field body string "" when there is none
---@field json any the body's value, when its content type is JSON and it is; JSON's null is
---pomelua.null

---Asks another service, and waits for its answer.
---
---url: of http or https. method: "GET", or "POST" when there is a body. headers: by name. body: a
---string; json: a value that is sent as JSON, in its place. timeout: milliseconds, at most what is
---left of the request that this is done for; httpConfig.timeout when it is left out. redirects: how
---many are followed, 0 to 5; none. maxBody: bytes of the answer's body; httpConfig.maxBody.
---allowPrivate: true: also an address of this machine or its network.
---@param options {url: string, method: string|nil, headers: table<string, string|number>|nil,
---body: string|nil, json: any, timeout: integer|nil, redirects: integer|nil, maxBody: integer|nil,
---allowPrivate: boolean|nil}
---@param cb fun(err: pomelua.Error|nil, answer: pomelua.HttpAnswer|nil)|nil called in the place of
---waiting
---@return pomelua.HttpAnswer|nil answer
---@return pomelua.Error|nil err err.code "TIMEOUT", "BUSY", "CLOSED", "PRIVATE" (the address),
---"RANGE" (the answer is too large), "HTTP" (no connection, no trust, no whole answer)
function http.request(options, cb)
  local sent = http_options.read(options)
  if cb ~= nil and type(cb) ~= "function" then
    errors.raise("http.request(options, cb): cb must be a function, got a " .. type(cb))
  end
  local server = current.server or current.only or nil
  local part = part_of(server)
  part.counts.httpOutRequests = part.counts.httpOutRequests + 1
  if server and server.http_stub then
    return ask_spec(server, part, sent, cb)
  end
  local params = http_options.params(sent, part.config.maxBody)
  local handle = handle_of(server, part)
  local ms = sent.timeout
  if cb then
    return call.make(handle, "http.request", "request", nil, params, nil, function(err, values)
      if err then return cb(error_of(part, err)) end
      return cb(nil, answer_of(values))
    end, ms)
  end
  local values, err = call.make(handle, "http.request", "request", nil, params, nil, nil, ms)
  if not values then return nil, error_of(part, err) end
  return answer_of(values)
end

return http
