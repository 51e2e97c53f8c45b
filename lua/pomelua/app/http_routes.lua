-- http_routes: app:http: the HTTP requests that this server answers (message/http_serve). A route
-- belongs to the file that has made it while it was loaded, and ends with it; the page server hears
-- of all routes at once when they have changed, as soon as the server is up. Only the server that
-- config/web.json names is asked; on the others a route does nothing.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local http_serve = require "pomelua.message.http_serve"
local near = require "pomelua.base.near"
local task = require "pomelua.run.task"
local units = require "pomelua.run.unit"
local web = require "pomelua.config.web"

local http_routes = {}

local METHODS = {
  GET = true, POST = true, PUT = true, PATCH = true, DELETE = true, HEAD = true, OPTIONS = true,
}
local MOST = 1024 -- PML_HTTP_ROUTES_MAX

---The part of a server that belongs to this file.
---@param server pomelua.Server
function http_routes.init(server)
  server.http = {
    options = nil, -- what config/web.json says; nil: no route has been made
    routes = { count = 0, shapes = {} }, -- those in force
    coming = setmetatable({}, { __mode = "k" }), -- [generation that is prepared] = the same
    set = nil, -- of core.httpRoutes, made from the routes when it is needed
    running = false, -- from the server's start
    telling = false, -- the page server is about to hear of them
    counts = {}, -- httpErrors, httpOverWaiting; empty without routes
  }
end

-- Paths that differ only in the names of their parameters are of one shape.
local function shape_of(path) return (path:gsub("/:[^/]+", "/:")) end

-- Adds a route to those of a table; nil and why when it cannot be there.
local function put(routes, record)
  local shape = routes.shapes[record.shape]
  if shape and shape.path ~= record.path then
    return nil, ("%s fits the same paths: give their names alike"):format(shape.path)
  elseif shape and shape.by_method[record.method] then
    local other = shape.by_method[record.method].unit
    return nil, "this route is there already" .. (other and ", of " .. other.name or "")
  elseif routes.count >= MOST then
    return nil, ("there are %d routes, which is the most"):format(MOST)
  end
  if not shape then
    shape = { path = record.path, by_method = {} }
    routes.shapes[record.shape] = shape
  end
  shape.by_method[record.method] = record
  routes.count = routes.count + 1
  return true
end

local function take(routes, record)
  local shape = routes.shapes[record.shape]
  if not shape or shape.by_method[record.method] ~= record then return end
  shape.by_method[record.method] = nil
  if next(shape.by_method) == nil then routes.shapes[record.shape] = nil end
  routes.count = routes.count - 1
end

---The routes in force, as C finds them.
---@param server pomelua.Server
---@return userdata set of core.httpRoutes
function http_routes.set(server)
  local own = server.http
  if own.set then return own.set end
  local list = {}
  for _, shape in pairs(own.routes.shapes) do
    for method in pairs(shape.by_method) do
      list[#list + 1] = method
      list[#list + 1] = shape.path
    end
  end
  own.set = assert(core.httpRoutes(list))
  return own.set
end

local function tell(server)
  server.http.telling = false
  server.node:serveHttp(http_routes.set(server))
end

-- The routes have changed. A reload changes them in several steps of one task.
local function changed(server)
  local own = server.http
  own.set = nil
  if not own.running or own.telling or own.options.server ~= server.id then return end
  own.telling = true
  task.defer(server, server:context("app:http"), tell, server)
end

local function check(method, path, fn)
  if type(method) ~= "string" or type(path) ~= "string" or type(fn) ~= "function" then
    errors.raise(("app:http(method, path, fn): strings and a function are needed, got a %s, a %s "
      .. "and a %s"):format(type(method), type(path), type(fn)))
  elseif not METHODS[method] then
    errors.raise(("app:http(%q, %q): there is no such method%s"):format(method, path,
      METHODS[method:upper()] and "; write it in capital letters" or near.hint(method, METHODS)))
  end
  local ok, message = core.httpRoutes { method, path }
  if not ok then errors.raise(("app:http(%q, %q): %s"):format(method, path, message)) end
end

---app:http. Raises when it is no route, and when config/web.json names no server for it.
---@param server pomelua.Server
---@param method string
---@param path string
---@param fn function
function http_routes.add(server, method, path, fn)
  local own = server.http
  check(method, path, fn)
  if not own.options then
    local options, message = web.http(server.base, server.env)
    if not options then errors.raise(message) end
    own.options = options
    own.counts.httpErrors, own.counts.httpOverWaiting = 0, 0
  end
  local unit, gen = units.loading()
  local record = { method = method, path = path, shape = shape_of(path), fn = fn, unit = unit }
  local routes = own.routes
  if units.prepared() then
    routes = own.coming[gen] or { count = 0, shapes = {} }
    own.coming[gen] = routes
  end
  local ok, message = put(routes, record)
  if not ok then errors.raise(("app:http(%q, %q): %s"):format(method, path, message)) end
  if unit then
    unit:on_end(record, function()
      take(own.routes, record)
      changed(server)
    end)
  end
  if routes == own.routes then return changed(server) end
  units.when_active(gen, function()
    local there, why = put(own.routes, record)
    if not there then errors.raise(("app:http(%q, %q): %s"):format(method, path, why)) end
    changed(server)
  end)
end

-- The function of a route; nil: a reload has taken it away.
local function find(server, method, path)
  local shape = server.http.routes.shapes[shape_of(path)]
  local record = shape and shape.path == path and shape.by_method[method]
  return record and record.fn or nil
end

---A request for a route has come; see http_serve.called.
---@param server pomelua.Server
---@param given table
---@param client_end table
function http_routes.asked(server, given, client_end)
  http_serve.called(server, find(server, given.method, given.pattern), given, client_end)
end

---From now on the page server sends its requests. It hears of the routes here and now: who is told
---that the server is up may send a request at once.
---@param server pomelua.Server
function http_routes.start(server)
  local own = server.http
  own.running = true
  if own.options and own.options.server == server.id then tell(server) end
end

return http_routes
