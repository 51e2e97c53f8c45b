-- http_options: what a game's http.request{...} may hold, checked at the line of the game.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local json = require "pomelua.base.json"
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"

local http_options = {}

local KNOWN = {
  method = true, url = true, headers = true, body = true, json = true, timeout = true,
  redirects = true, maxBody = true, allowPrivate = true,
}
local MAX_MS = 600000
local MAX_BODY = 16777216
local MAX_REDIRECTS = 5
local MAX_HEADERS = 64

-- What frames a message is not the game's: two servers that read it differently see two requests.
local FRAMING = {
  ["content-length"] = true, ["transfer-encoding"] = true, connection = true, expect = true,
  upgrade = true, te = true, trailer = true, ["keep-alive"] = true,
}

local function fail(text, ...) errors.raise("http.request: " .. text:format(...)) end

local TOKEN = "^[%w!#$%%&'*+.^_`|~-]+$" -- RFC 9110 5.6.2

local function check_number(options, key, least, most)
  local value = options[key]
  if value == nil then return end
  if type(value) ~= "number" or value % 1 ~= 0 or value < least or value > most then
    fail("%s must be a whole number from %d to %d, got %s", key, least, most, tables.shown(value))
  end
end

local function check_method(options)
  local method = options.method
  if method == nil then return end
  if type(method) ~= "string" or not method:find(TOKEN) or #method > 32 then
    fail("method must be a word such as \"POST\", got %s", tables.kind(method))
  end
  if method ~= method:upper() then fail("method must be written %q", method:upper()) end
end

-- The headers as pairs, sorted, so that a request is the same each time.
local function read_headers(given)
  local list = {}
  if given == nil then return list end
  if type(given) ~= "table" then fail("headers must be a table, got %s", tables.kind(given)) end
  for name, value in next, given do
    if type(name) ~= "string" or not name:find(TOKEN) or #name > 256 then
      fail("headers: the name of a header must be a word such as \"Authorization\", got %s",
        tables.kind(name))
    end
    if FRAMING[name:lower()] then fail("headers: %s is written by Pomelua", name) end
    if type(value) == "number" then value = tostring(value) end
    if type(value) ~= "string" then
      fail("headers: %s must be a string, got %s", name, tables.kind(value))
    end
    -- Whoever may write a line end may write headers, and requests, of his own.
    if value:find("[%z\r\n]") then fail("headers: there is a line end in the value of %s", name) end
    list[#list + 1] = { name, value }
  end
  if #list > MAX_HEADERS then fail("headers: there are more than %d", MAX_HEADERS) end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return list
end

local function has(headers, name)
  for _, header in ipairs(headers) do if header[1]:lower() == name then return true end end
  return false
end

local function read_body(options, headers)
  local body = options.body
  if body ~= nil and type(body) ~= "string" then
    fail("body must be a string, got %s%s", tables.kind(body),
      type(body) == "table" and "; json = {...} sends a table as JSON" or "")
  end
  if options.json == nil then return body end
  if body ~= nil then fail("there are both body and json") end
  local text, message = json.encode(options.json, "json")
  if not text then fail("%s", message) end
  if not has(headers, "content-type") then
    table.insert(headers, { "Content-Type", "application/json" })
  end
  return text
end

---@class pomelua.HttpSent a request that was checked
---@field method string
---@field url string
---@field headers string[][] pairs of name and value
---@field body string|nil
---@field timeout number|nil milliseconds
---@field redirects number
---@field max_body number|nil bytes
---@field allow_private boolean

---Reads what a game has given to http.request; raises at the line of the game.
---@param options any
---@return pomelua.HttpSent
function http_options.read(options)
  if type(options) ~= "table" then
    fail("{ url = ... }: a table, got %s", tables.kind(options))
  end
  for key in next, options do
    if not KNOWN[key] then
      fail("there is no option %s%s", tables.word(errors.tostring(key)), near.hint(key, KNOWN))
    end
  end
  if type(options.url) ~= "string" or options.url == "" then
    fail("url must be a string such as \"https://auth.example/verify\", got %s",
      tables.kind(options.url))
  end
  if options.url:find("[%z\r\n]") then fail("there is a line end in url") end
  check_method(options)
  check_number(options, "timeout", 1, MAX_MS)
  check_number(options, "redirects", 0, MAX_REDIRECTS)
  check_number(options, "maxBody", 1, MAX_BODY)
  local private = options.allowPrivate
  if private ~= nil and type(private) ~= "boolean" then
    fail("allowPrivate must be true or false, got %s; networks belong to "
      .. "app:set(\"httpConfig\", { allowPrivate = { \"10.0.0.0/8\" } })", tables.shown(private))
  end
  local headers = read_headers(options.headers)
  local body = read_body(options, headers)
  return {
    method = options.method or (body and "POST" or "GET"), url = options.url, headers = headers,
    body = body, timeout = options.timeout, redirects = options.redirects or 0,
    max_body = options.maxBody, allow_private = private or false,
  }
end

---The parameters of core.store's "request".
---@param sent pomelua.HttpSent
---@param max_body number bytes, when the request does not say
---@return table
function http_options.params(sent, max_body)
  local params = {
    sent.method, sent.url, sent.body == nil and core.null or sent.body, sent.redirects,
    sent.max_body or max_body, sent.allow_private,
  }
  for _, header in ipairs(sent.headers) do
    params[#params + 1] = header[1]
    params[#params + 1] = header[2]
  end
  params.n = #params
  return params
end

return http_options
