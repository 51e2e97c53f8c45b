-- http_serve: an HTTP request runs the function of its route and gets its one answer. An error in
-- any of the tasks that run for it is answered with 500, without a word of the error.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local json = require "pomelua.base.json"
local near = require "pomelua.base.near"
local task = require "pomelua.run.task"
local tables = require "pomelua.base.tables"

local http_serve = {}

---@class pomelua.HttpRequest
---@field method string the client's own: a route for GET is also asked with HEAD
---@field path string decoded; what stands before "?"
---@field route string the path that app:http was given
---@field params table<string, string> what the path has in the place of names such as ":id"
---@field query table<string, string> what stands behind "?", decoded; of several values of one name
---the first
---@field queryString string the same as the client has sent it
---@field headers table<string, string> by name in lower case; several of one name stand with ", "
---between them
---@field address string the client's IP address; behind trustedProxies that which they name
---@field body string its bytes, up to http.maxBody
---@field json any what the body says as JSON; nil when it is none
---@field jsonError string|nil why `json` is nil
---@field form table<string, string>|nil what the body says as a form; nil when content-type is not
---application/x-www-form-urlencoded

---@class pomelua.HttpAnswer
---@field status number|nil 200 to 599; 200 when left out
---@field headers table<string, string|number|string[]>|nil a list is several headers of one name
---@field body string|nil
---@field json any in the place of body; content-type is application/json then

-- The names in place of the session's for run/waiting.
local WAITING = { frontendId = {}, id = 1 }

-- The page server writes these itself.
local OURS = {
  connection = true, ["content-length"] = true, date = true, ["keep-alive"] = true,
  trailer = true, ["transfer-encoding"] = true, upgrade = true,
}
local FIELDS = { status = true, headers = true, body = true, json = true }

-- --- the request --------------------------------------------------------------------------------

local lazy = {}

function lazy.json(req)
  local value, message = nil, "the body is empty"
  if req.body ~= "" then value, message = json.decode(req.body) end
  rawset(req, "json", value)
  rawset(req, "jsonError", message)
  return value
end

function lazy.jsonError(req)
  lazy.json(req)
  return rawget(req, "jsonError")
end

-- Pairs as a table; of several values of one name the first counts.
local function by_name(pairs_list)
  local out = {}
  for i = 1, #pairs_list, 2 do
    if out[pairs_list[i]] == nil then out[pairs_list[i]] = pairs_list[i + 1] end
  end
  return out
end

function lazy.form(req)
  local kind = req.headers["content-type"] or ""
  if not kind:lower():find("^application/x%-www%-form%-urlencoded%s*$")
    and not kind:lower():find("^application/x%-www%-form%-urlencoded%s*;") then
    return nil
  end
  local form = by_name(core.httpQuery(req.body))
  rawset(req, "form", form)
  return form
end

local request_mt = { __name = "pomelua.httpRequest" }
request_mt.__index = function(req, key)
  local make = lazy[key]
  return make and make(req)
end

local function headers_of(list)
  local out = {}
  for i = 1, #list, 2 do
    local name, value = list[i]:lower(), list[i + 1]
    local before = out[name]
    out[name] = before and before .. (name == "cookie" and "; " or ", ") .. value or value
  end
  return out
end

local function params_of(list)
  local out = {}
  for i = 1, #list, 2 do out[list[i]] = core.httpDecode(list[i + 1]) end
  return out
end

local function request_of(given)
  return setmetatable({
    method = given.asked, route = given.pattern, path = core.httpDecode(given.path),
    params = params_of(given.params), query = by_name(core.httpQuery(given.query)),
    queryString = given.query, headers = headers_of(given.headers), address = given.address,
    body = given.body,
  }, request_mt)
end

-- --- the answer ---------------------------------------------------------------------------------

local wrong_mt = {}
local function fail(text) error(setmetatable({ text = text }, wrong_mt), 0) end

local function add_header(list, name, value)
  local key = "headers." .. tostring(name)
  if type(name) ~= "string" or not name:find("^[%w!#$%&'*+.^_`|~-]+$") then
    fail(key .. ": this is no name of an HTTP header")
  elseif OURS[name:lower()] then
    fail(key .. ": the page server sets this header itself")
  end
  if type(value) == "number" then value = tostring(value) end
  if type(value) ~= "string" then
    fail(key .. ": must be a text or a list of texts, got " .. tables.shown(value))
  elseif value:find("[%z\1-\8\10-\31\127]") then
    fail(key .. ": a value has no line breaks and no other control characters")
  end
  list[#list + 1] = name
  list[#list + 1] = value
end

-- Status, list of headers and body of what a game has returned.
local function read(given)
  if type(given) ~= "table" then
    fail("must be a table { status =, headers =, body =, json = }, got " .. tables.shown(given))
  end
  for key in next, given do
    if not FIELDS[key] then
      fail(("%s: no such field; there are status, headers, body and json%s")
        :format(tostring(key), near.hint(key, FIELDS)))
    end
  end
  local status, body = rawget(given, "status"), rawget(given, "body")
  local headers, value = rawget(given, "headers"), rawget(given, "json")
  if status == nil then status = 200 end
  if type(status) ~= "number" or status % 1 ~= 0 or status < 200 or status > 599 then
    fail("status: must be a whole number, 200 to 599, got " .. tables.shown(status))
  elseif headers ~= nil and type(headers) ~= "table" then
    fail("headers: must be a table, got " .. tables.shown(headers))
  elseif body ~= nil and type(body) ~= "string" then
    fail("body: must be a string, got " .. tables.shown(body) .. "; a value goes into json")
  elseif body ~= nil and value ~= nil then
    fail("body and json are both there")
  end
  local list, typed = {}, false
  for name, one in next, headers or {} do
    typed = typed or type(name) == "string" and name:lower() == "content-type"
    if type(one) == "table" then
      for i = 1, #one do add_header(list, name, one[i]) end
    else
      add_header(list, name, one)
    end
  end
  if value ~= nil then
    local message
    body, message = core.encode(value)
    if not body then fail("json: " .. tostring(message)) end
    if not typed then add_header(list, "Content-Type", "application/json") end
  elseif body and not typed then
    add_header(list, "Content-Type", "text/plain; charset=utf-8")
  end
  return status, list, body or ""
end

local call = {}
call.__index = call
call.kind = "http"
call.client = true -- see run/task

-- A small page of a status, or an answer of the game's.
local function send(self, status, headers, body)
  local server = self.generation.server
  local ok, message, name = self.client_end.send(status, headers, body)
  if ok then return end
  if name == "CLOSED" then
    server:debug(self.name .. ": answered after its deadline", "late answers")
  else
    server:error(self.name .. ": the answer cannot be sent: " .. tostring(message),
      "answers that cannot be sent: " .. self.name)
  end
end

local function wrong(self)
  self.answered = true
  local counts = self.generation.server.http.counts
  counts.httpErrors = counts.httpErrors + 1
  send(self, 500)
end

---Whether a stop need not wait for it: it has been answered without its function.
---@return boolean
function call:is_over() return not self.client_end.waits() end

---What is left of its time, for calls to databases and other services.
---@return number|nil ms nil: it has been answered, and what goes on has no deadline
function call:time_left()
  if self.answered then return nil end
  return self.client_end.left()
end

---An error was raised in one of its tasks; it has been logged.
function call:failed()
  if not self.answered then wrong(self) end
end

local function place_of(fn)
  local info = debug.getinfo(fn, "S")
  return ("%s:%d"):format(info.short_src, info.linedefined)
end

-- Answers with the values that the function has returned.
local function finish(self, fn, first, second)
  local server = self.generation.server
  if self.answered then return end
  if first == nil then
    server:info_line(("%s: %s: %s"):format(place_of(fn), self.name,
      second == nil and "it returned no answer" or errors.text(second)),
      "answers with an error: " .. self.name)
    return wrong(self)
  end
  local ok, status, headers, body = pcall(read, first)
  if not ok then
    local text = getmetatable(status) == wrong_mt and status.text or errors.text(status)
    server:error(("%s: %s: its answer: %s"):format(place_of(fn), self.name, text),
      "answers that cannot be sent: " .. self.name)
    return wrong(self)
  end
  self.answered = true
  send(self, status, headers, body)
end

local function run(self, fn, given)
  task.works_for(WAITING.frontendId, WAITING.id)
  finish(self, fn, fn(request_of(given)))
end

local function is_full(server)
  local of = server.waiting.by_frontend[WAITING.frontendId]
  local own = server.http
  if not of or (of[WAITING.id] or 0) < own.options.maxWaiting then return false end
  own.counts.httpOverWaiting = own.counts.httpOverWaiting + 1
  server:warn(("http: refused a request: functions of %d others wait (config/web.json: "
    .. "http.maxWaiting)"):format(own.options.maxWaiting), "requests above http.maxWaiting")
  return true
end

---Runs the function of a route.
---@param server pomelua.Server
---@param fn function|nil nil: the route has gone meanwhile
---@param given table method, pattern, asked, path, query, address, body: texts; params, headers:
---lists of names and values
---@param client_end table send(status, headers | nil, body | nil) answers: true | nil, message,
---name; without headers it is the small page of the status; waits(): whether the client waits;
---left(): ms until it gets 504, 0 at the least
function http_serve.called(server, fn, given, client_end)
  -- It was in the queue until its time was over, or the server had to stop: its client has 504 or
  -- 503, which are counted there, or gets it now.
  if not client_end.waits() or client_end.left() == 0 then return end
  if not fn then return client_end.send(404) end
  if is_full(server) then return client_end.send(503) end
  local self = setmetatable({
    generation = server.generation, name = given.method .. " " .. given.pattern, answered = false,
    client_end = client_end,
  }, call)
  task.run(server, self, run, self, fn, given)
end

return http_serve
