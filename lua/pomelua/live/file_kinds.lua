-- file_kinds: what an app's folder is made of, kind by kind: which files there are, and
-- what each of them adds to the set that a generation puts into force. Everything that
-- reloads is in this list; a new kind of file is one more entry:
--
--   name            for messages
--   files(server, texts) -> paths among the texts, in order
--   build           whether a function that the file returns is a factory, called with
--                   (app, state) for the table that is meant
--   read(text, path, server, name) -> value | nil, message   for a file that is not Lua, with its
--                   name for messages; left out: Lua. Its path must be in live.config
--   put(set, server, unit) -> true | nil, message   adds unit.value
--   complete(set, server)   after the last file of the kind, also when there is none
local crons = require "pomelua.config.crons"
local json_file = require "pomelua.base.json_file"
local near = require "pomelua.base.near"
local protos = require "pomelua.live.protos"

local file_kinds = {}

local steps = {
  beforeStartup = true, afterStartup = true, afterStartAll = true, beforeShutdown = true,
}

local function sorted(list)
  table.sort(list)
  return list
end

-- The Lua files right in a folder of the server's type.
local function in_folder(name)
  return function(server, texts)
    local prefix = server.base .. "/app/servers/" .. server.type .. "/" .. name .. "/"
    local list = {}
    for path in pairs(texts) do
      if path:sub(1, #prefix) == prefix
        and path:find("^[^/.][^/]*%.[lL][uU][aA]$", #prefix + 1) then
        list[#list + 1] = path
      end
    end
    return sorted(list)
  end
end

local function single(name_of)
  return function(server, texts)
    local path = server.base .. "/" .. name_of(server)
    return texts[path] and { path } or {}
  end
end

-- Names that class libraries give to what makes, or describes, an object.
local PRIVATE = {
  new = true, constructor = true, initialize = true, ctor = true, migrate = true,
  isInstanceOf = true, isSubclassOf = true, isSubclass = true, instanceOf = true,
  is_a = true, class_of = true, class = true, super = true, allocate = true, include = true,
  subclass = true, extend = true, implement = true, extends = true,
}

-- Whether a table is a class: something of it makes objects.
local function is_class(t)
  local meta = getmetatable(t)
  return type(rawget(t, "new")) == "function" or type(rawget(t, "include")) == "function"
    or type(rawget(t, "static")) == "table" or rawget(t, "__index") == t
    or type(meta) == "table" and rawget(meta, "__call") ~= nil
end

-- What Lua, and the check before a reload, call themselves.
local CALLED_BY_US = { __check = true }
for name in ("index newindex call gc mode metatable tostring name len eq lt le add sub mul div mod"
  .. " pow unm concat idiv band bor bxor shl shr bnot close pairs ipairs"):gmatch("%l+") do
  CALLED_BY_US["__" .. name] = true
end

-- hidden: also names that start with "_".
local function add(map, t, class, hidden)
  for name, fn in next, t do
    if type(name) == "string" and type(fn) == "function"
      and (name:sub(1, 1) ~= "_" or hidden and not CALLED_BY_US[name])
      and not PRIVATE[name] and not (class and name == "init") and map[name] == nil then
      map[name] = fn
    end
  end
end

local function functions_of(module, hidden)
  local map = {}
  add(map, module, is_class(module), hidden)
  local meta = getmetatable(module)
  local parent = type(meta) == "table" and rawget(meta, "__index")
  if type(parent) == "table" then add(map, parent, true, hidden) end
  return map
end

---What the network may call: the functions of the module's own table and of the
---one table that its metatable's __index may be, read raw; not names that start with
---"_", not what makes an object (`new`, `initialize`, a class's `init`), not `migrate`,
---nothing further up.
---@param module table
---@return table<string, function>
function file_kinds.reachable(module) return functions_of(module, false) end

---What gets a number in the route dictionary: these, and as in Pomelo the functions whose names
---start with "_", which the network still cannot call.
---@param module table
---@return table<string, function>
function file_kinds.numbered(module) return functions_of(module, true) end

-- Adds what the network may call, under the module's name.
local function callable(kind, put)
  return function(set, server, unit)
    local module, path = unit.value, unit.name
    if not module then return true end
    local name = rawget(module, "name")
    if type(name) ~= "string" or name == "" then name = path:match("([^/]*)%.%a+$") end
    if name:find(".", 1, true) or name:sub(1, 1) == "_" then
      return nil, ("%s: %q cannot be the name of a module: it has a dot or starts with _")
        :format(path, name)
    end
    local key = kind .. " " .. name
    if set.seen[key] then
      return nil, ("%s: the name %q is also that of %s"):format(path, name, set.seen[key])
    end
    set.seen[key] = path
    for method, fn in next, module do
      if PRIVATE[method] and method ~= "new" and method ~= "migrate" and type(fn) == "function"
        and not is_class(module) then
        set.warnings[#set.warnings + 1] = ("%s: %s cannot be called from outside: classes give "
          .. "that name to what makes an object"):format(path, method)
      end
    end
    local map = file_kinds.reachable(module)
    if next(map) == nil then
      set.warnings[#set.warnings + 1] = path .. ": it has no function that can be called"
    end
    for method, fn in next, map do
      put(set, server, name, method, { owner = module, fn = fn })
    end
    return true
  end
end

local function put_handler(set, server, name, method, entry)
  set.handlers[server.type .. "." .. name .. "." .. method] = entry
end

local function put_remote(set, _, name, method, entry)
  set.services[name] = true
  set.remotes[name .. "." .. method] = entry
end

local function put_cron(set, _, name, method, entry)
  set.crons[name .. "." .. method] = entry
end

-- The first of the files that may hold the crons.
local function cron_file(server, texts)
  for _, name in ipairs(crons.paths(server.env)) do
    local path = server.base .. "/" .. name
    if texts[path] then return { path } end
  end
  return {}
end

local function read_crons(text, path)
  local value, message = json_file.decode(path, text, true)
  if value == nil then return nil, message end
  return { text = text, value = value }
end

local function put_schedule(set, server, unit)
  local found, faults, warnings = crons.read(unit.name, unit.value.text, unit.value.value, {
    env = server.env, type = server.type, servers = server.known_ids, actions = set.crons,
    runs = server.crons.running,
  })
  if faults[1] then return nil, crons.told(faults[1]) end
  for _, one in ipairs(warnings) do set.warnings[#set.warnings + 1] = crons.told(one) end
  set.schedule = found
  return true
end

local function put_hooks(set, _, unit)
  for name, fn in pairs(unit.value or {}) do
    if steps[name] and type(fn) ~= "function" then
      return nil, ("%s: %s must be a function, got a %s"):format(unit.name, name, type(fn))
    elseif type(fn) == "function" and not steps[name] and near.to(name, steps) then
      set.warnings[#set.warnings + 1] = ("%s: %s is never called%s")
        :format(unit.name, name, near.hint(name, steps))
    end
  end
  set.hooks = unit.value or {}
  return true
end

file_kinds.list = {
  { -- its route functions, timers and listeners; it adds nothing to the set
    name = "app", app = true,
    files = single(function() return "app.lua" end),
    put = function() return true end,
  },
  {
    name = "handler", build = true, files = in_folder "handler",
    folder = function(server) return "app/servers/" .. server.type .. "/handler" end,
    put = callable("handler", put_handler),
  },
  {
    name = "remote", build = true, files = in_folder "remote",
    folder = function(server) return "app/servers/" .. server.type .. "/remote" end,
    put = callable("remote", put_remote),
  },
  {
    name = "cron", build = true, files = in_folder "cron",
    folder = function(server) return "app/servers/" .. server.type .. "/cron" end,
    put = callable("cron", put_cron),
  },
  { -- behind the files that it names
    name = "crons.json", files = cron_file, read = read_crons, put = put_schedule,
  },
  {
    name = "lifecycle", build = true,
    files = single(function(server) return "app/servers/" .. server.type .. "/lifecycle.lua" end),
    put = put_hooks,
  },
  protos.kind,
}

return file_kinds
