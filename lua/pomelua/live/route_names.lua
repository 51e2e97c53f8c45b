-- route_names: which routes the handler modules of an app have, for the route dictionary. It runs
-- in a Lua state that is thrown away afterwards (core.scratch). There every module is run once,
-- with an app that does nothing, and with nothing to open, to write to or to connect to.
local closed_doors = require "pomelua.live.closed_doors"
local current = require "pomelua.base.current"
local digest = require "pomelua.base.digest"
local environment = require "pomelua.run.environment"
local errors = require "pomelua.base.errors"
local file_kinds = require "pomelua.live.file_kinds"
local files = require "pomelua.base.files"
local finalizers = require "pomelua.run.finalizers"
local guards = require "pomelua.run.guards"
local json = require "pomelua.base.json"
local json_file = require "pomelua.base.json_file"
local pretty = require "pomelua.base.pretty"
local syntax = require "pomelua.live.syntax"

local NOTHING = "nothing is opened, written or connected to while the route dictionary is made"

local stub = closed_doors.stub
local refuse, refuse_loudly = closed_doors.refuse, closed_doors.refuse_loudly

-- What require "pomelua" gives: what only computes is as it is, the rest does nothing.
local function facade(base, globals)
  return setmetatable({
    data = function(path)
      local value = type(path) == "string" and json_file.read(base, path)
      return type(value) == "table" and value or stub
    end,
    json = {
      encode = function(value) return json.encode(value, "value") end, decode = json.decode,
    },
    null = json.null, array = function(t) return json.array(t) end, pretty = pretty,
    crc32 = digest.crc32, md5 = digest.md5, sha256 = digest.sha256, hmac = digest.hmac,
    uuid = digest.uuid, randomBytes = digest.randomBytes,
    state = function() return {} end,
    declare = function(name, value) return environment.declare(globals, name, value) end,
    connectors = stub,
  }, { __index = closed_doors.index })
end

-- Loading ------------------------------------------------------------------------------

local loader = {}
local loader_mt = { __index = loader }

local function new_loader(base, ffi)
  local globals = environment.globals()
  local self = setmetatable({ base = base, ffi = ffi, globals = globals, loaded = {} }, loader_mt)
  self.pomelua = facade(base, globals)
  return self
end

-- Files are named as inside of the app.
function loader:load(name, text)
  local vendor = ("/" .. name):find("/vendor/", 1, true)
  local env = environment[vendor and "vendor" or "new"](self.globals,
    function(module)
      local value = self:require(module) -- no tail call: its errors name the line of the caller
      return value
    end)
  rawset(env, "dofile", refuse_loudly)
  rawset(env, "loadfile", refuse)
  local chunk, message = load(text, "@" .. name, "t", env)
  if not chunk then error(syntax.explain(message, text), 0) end
  return chunk
end

-- A module of the app's: one value, or nil when there is no such file.
function loader:of_app(module)
  local stem = module:gsub("%.", "/"):gsub("//+", "/"):gsub("^/", "")
  for _, name in ipairs { stem .. ".lua", stem .. "/init.lua" } do
    local path = self.base .. "/" .. name
    local text = files.read(path)
    if text then
      if self.loaded[path] == nil then
        self.loaded[path] = false
        local value = self:load(name, text)(module, path)
        self.loaded[path] = { value == nil and true or value }
      elseif not self.loaded[path] then
        error(name .. ": it is required in a circle", 0)
      end
      return self.loaded[path][1]
    end
  end
end

function loader:require(module)
  if type(module) ~= "string" then
    error("require(name): name must be a string, got " .. type(module), 3)
  elseif module == "pomelua" then
    return self.pomelua
  elseif module == "pomelua.json" then
    return self.pomelua.json
  elseif module:find("^pomelua%.") then
    return stub
  elseif module == "ffi" then
    return self.ffi
  end
  local value = self:of_app(module)
  if value ~= nil then return value end
  if closed_doors.is_outside(module) then return stub end
  local ok, found = pcall(require, module)
  if ok then return found end
  local text = errors.text(found)
  error(text:find("not found:", 1, true) and ("module '%s' not found, neither in the app nor on "
    .. "package.path"):format(module) or text, 3)
end

-- The table of a handler's file, or nil.
function loader:handler(name, text)
  local value = self:load(name, text)(name, self.base .. "/" .. name)
  if type(value) == "function" then value = value(stub, {}) end
  return type(value) == "table" and value or nil
end

-- An error as one line that names the file.
local function located(name, err)
  local text = errors.text(err):match("^[^\n]*")
  if text:find(name, 1, true) or text:find("^[%w%p]+%.lua:%d+: ") then return text end
  return name .. ": " .. text
end

local function add_routes(list, stype, name, module)
  local given = rawget(module, "name")
  local own = type(given) == "string" and given ~= "" and given or name:match("([^/]*)%.%a+$")
  for method in pairs(file_kinds.numbered(module)) do
    list[#list + 1] = ("%s.%s.%s"):format(stype, own, method)
  end
end

-- Adds what the modules of a type have; a message: one of them cannot be run.
local function survey(list, base, stype, ffi)
  local folder = "app/servers/" .. stype .. "/handler"
  local one = new_loader(base, ffi)
  for _, file in ipairs(files.list(base .. "/" .. folder) or {}) do
    local name = folder .. "/" .. file
    local text = file:find("%.[lL][uU][aA]$") and files.read(base .. "/" .. name)
    if text then
      local ok, module = pcall(one.handler, one, name, text)
      if not ok then return located(name, module) end
      if module then add_routes(list, stype, name, module) end
    end
  end
end

---@param text string JSON {base = the app's folder, types = server types}
---@return string JSON {routes = names in no order} or {failed = one line with file and line}
return function(text)
  local given = json.decode(text)
  finalizers.protect()
  guards.protect()
  local ffi = closed_doors.close(NOTHING)
  current.only = false
  local list = {}
  for _, stype in ipairs(given.types) do
    local failed = survey(list, given.base, stype, ffi)
    if failed then return json.encode { failed = failed } end
  end
  return json.encode { routes = json.array(list) }
end
