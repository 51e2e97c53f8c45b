-- test.http_in: HTTP requests that a spec sends to a server's routes, in the place of the page
-- server and in the server's time.
local core = require "pomelua.core"
local http_routes = require "pomelua.app.http_routes"
local json = require "pomelua.base.json"
local near = require "pomelua.base.near"
local timers = require "pomelua.run.timers"

local http_in = {}

local OPTIONS = { body = true, json = true, headers = true, address = true }

---@class pomelua.test.HttpAnswer
---@field status number
---@field headers table<string, string|string[]> by name in lower case
---@field body string
---@field json any what the body says, when content-type is application/json

local function check(self, method, target, given)
  if type(method) ~= "string" or type(target) ~= "string" or target:sub(1, 1) ~= "/"
    or given ~= nil and type(given) ~= "table" then
    error('server:http(method, path, options): "POST", "/pay" and a table, or nil', 4)
  end
  for key in pairs(given or {}) do
    if not OPTIONS[key] then
      error(("server:http: there is no option %s%s"):format(tostring(key), near.hint(key, OPTIONS)),
        4)
    end
  end
  local options = self.inner.http.options
  if not options then error("server:http: this server has no routes: app:http makes them", 4) end
  if options.server ~= self.inner.id then
    error(("server:http: config/web.json: server is %q, which gets the requests; this one is %q")
      :format(options.server, self.inner.id), 4)
  end
  return options
end

local function answer_of(status, list, body)
  local headers = {}
  for i = 1, #list, 2 do
    local name, before = list[i]:lower(), headers[list[i]:lower()]
    if type(before) == "table" then
      before[#before + 1] = list[i + 1]
    else
      headers[name] = before and { before, list[i + 1] } or list[i + 1]
    end
  end
  local answer = { status = status, headers = headers, body = body }
  local kind = headers["content-type"]
  if type(kind) == "string" and kind:find("^application/json") then
    answer.json = json.decode(body)
  end
  return answer
end

-- What the page server answers by itself.
local function page(status, allow)
  if status == 204 then return answer_of(status, { "Allow", allow }, "") end
  local list = { "Content-Type", "application/json" }
  if allow then list[3], list[4] = "Allow", allow end
  if status == 503 then list[#list + 1], list[#list + 2] = "Retry-After", "1" end
  return answer_of(status, list, ('{"code":%d}'):format(status))
end

local function headers_of(given)
  local list, typed = { "host", "spec" }, false
  for name, value in pairs(given.headers or {}) do
    typed = typed or name:lower() == "content-type"
    list[#list + 1] = name
    list[#list + 1] = tostring(value)
  end
  if given.json ~= nil and not typed then
    list[#list + 1] = "content-type"
    list[#list + 1] = "application/json"
  end
  return list
end

local function client_end(self, options, waiting)
  local inner, timer = self.inner, nil
  local due = inner.node:now() + options.timeout
  local function finish(answer)
    waiting.value, waiting.done = answer, true
    if timer then timers.stop(inner, timer) end
  end
  timer = timers.start(inner, options.timeout, { of_framework = true, fire = function()
    if not waiting.done then finish(page(504)) end
  end })
  return {
    waits = function() return not waiting.done end,
    left = function() return math.max(0, due - inner.node:now()) end,
    send = function(status, list, body)
      if waiting.done then return nil, "this request has been answered", "CLOSED" end
      if body and #body > options.maxAnswer then
        finish(page(500))
        return nil, "its body is above http.maxAnswer", "TOOBIG"
      end
      local answer = list and answer_of(status, list, body) or page(status)
      if waiting.asked == "HEAD" then answer.body, answer.json = "", nil end
      finish(answer)
      return true
    end,
  }
end

---See server:http.
---@return table waiting done, value
function http_in.ask(self, method, target, given)
  local options = check(self, method, target, given)
  given = given or {}
  local body = given.body or ""
  if given.json ~= nil then
    local text, message = core.encode(given.json)
    if not text then error("server:http: json: " .. tostring(message), 3) end
    body = text
  end
  local path, query = target:match("^([^?#]*)%??([^#]*)")
  local status, of, pattern, params = http_routes.set(self.inner):find(method, path)
  local waiting = { done = true, asked = method == "HEAD" and "HEAD" or of }
  if status ~= 200 then
    waiting.value = page(status, of)
  elseif #body > options.maxBody then
    waiting.value = page(413)
  elseif self.inner.life.state ~= "started" then
    waiting.value = page(503)
  else
    waiting.done = false
    http_routes.asked(self.inner, {
      method = of, pattern = pattern, asked = waiting.asked, path = path, query = query,
      address = given.address or "127.0.0.1", body = body, params = params,
      headers = headers_of(given),
    }, client_end(self, options, waiting))
  end
  return waiting
end

return http_in
