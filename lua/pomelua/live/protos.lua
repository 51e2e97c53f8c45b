-- protos: the definitions of protobuf, config/serverProtos.json and config/clientProtos.json
-- (protocol 11.1): where they lie, and a kind of file that a reload reads again. The set in force
-- is server.registry.set.protos, nil where there are none.
local core = require "pomelua.core"
local files = require "pomelua.base.files"
local json = require "pomelua.base.json"
local json_file = require "pomelua.base.json_file"
local sources = require "pomelua.live.sources"

local protos = {}

local SIDES = { "server", "client" }

-- The paths at which the file of a side may lie; the first that is there counts.
local function places(server, side, given)
  if given then return { files.from(server.base, given) } end
  local name = side .. "Protos.json"
  return {
    server.base .. "/config/" .. name,
    server.base .. "/config/" .. server.env .. "/" .. name,
  }
end

---The part of a server that belongs to this file.
---@param server pomelua.Server
function protos.init(server)
  server.protos = {
    places = nil, -- [side] = paths; nil: this server needs no definitions
    last = nil, -- {server=, client= texts, set=}: what was made last
  }
end

-- Adds a file to those that reloads read again, and to those of the running generation.
local function add(server, path)
  local texts = server.generation.sources
  server.live.config[path] = true
  if not texts or texts[path] then return true end
  local text, message = sources.file(server, path)
  texts[path] = text
  return not message, message
end

---Takes what the settings say. A frontend needs definitions when useProtobuf is on; a backend,
---which checks what it pushes, when the files are there and useProtobuf is not false.
---@param server pomelua.Server
---@param checked table of settings.read
---@return boolean ok
---@return string|nil message
function protos.use(server, checked)
  local wanted = checked.use_protobuf
  if wanted == nil then wanted = not server.frontend end
  server.protos.places = wanted and {} or nil
  for _, side in ipairs(wanted and SIDES or {}) do
    local given = checked.proto_paths[side]
    local list = places(server, side, given)
    server.protos.places[side] = list
    for _, path in ipairs(list) do
      local ok, message = add(server, path)
      if not ok then return false, message end
    end
    if given and not files.exists(list[1]) then
      return false, ("protobufConfig.%sProtos: there is no file %s"):format(side, given)
    end
  end
  return true
end

-- Whether a path is that of serverProtos or of clientProtos.
local function side_of(server, path)
  for _, side in ipairs(SIDES) do
    for _, one in ipairs(server.protos.places[side]) do
      if one == path then return side end
    end
  end
end

local function found(server, texts)
  local list = {}
  for _, side in ipairs(server.protos.places and SIDES or {}) do
    for _, path in ipairs(server.protos.places[side]) do
      if texts[path] and list[#list] ~= path then
        list[#list + 1] = path
        break
      end
    end
  end
  return list
end

---Reads the text of one file, and says what is wrong with it.
---@param name string of the file, for messages
---@param text string
---@param side "server"|"client"
---@return string|nil text as core.protos takes it
---@return string|nil message one line: file, line, key, reason
function protos.read(name, text, side)
  local value, message = json_file.decode(name, text)
  if value == nil then return nil, message end
  if text:sub(1, 3) == "\239\187\191" then text = text:sub(4) end
  local set, wrong = core.protos(side == "server" and text or nil,
    side == "client" and text or nil)
  if set then return text end
  return nil, ("%s:%d: %s%s"):format(name, wrong.line,
    wrong.key ~= "" and wrong.key .. ": " or "", wrong.what)
end

local CODES = { uInt32 = true, int32 = true, sInt32 = true, uInt64 = true, sInt64 = true }

-- Whether a message has a field for the 500 of {"code":500}.
local function has_code(fields)
  for key in pairs(fields) do
    local option, kind = key:match("^(%l+) (%w+) code$")
    if CODES[kind] and option ~= "repeated" then return true end
  end
  return false
end

-- Warns of responses by which no error can be told: a frontend closes the client instead.
local function look_at_errors(set, text)
  local routes = {}
  for route, fields in pairs(json.decode(text)) do
    if route:find("^[^.]+%.[^.]+%.[^.]+$") and not has_code(fields) then
      routes[#routes + 1] = route
    end
  end
  if not routes[1] then return end
  table.sort(routes)
  set.warnings[#set.warnings + 1] = ("serverProtos: %s%s: without a field `optional uInt32 code` a "
    .. "client cannot be told that its request has failed; it is closed then"):format(routes[1],
    routes[2] and (" and %d more"):format(#routes - 1) or "")
end

---Its entry in live/file_kinds.
protos.kind = {
  name = "protos",
  files = found,
  read = function(text, path, server, name)
    local side = side_of(server, path)
    local checked, message = protos.read(name, text, side)
    if not checked then return nil, message end
    return { side = side, text = checked }
  end,
  put = function(set, _, unit)
    set.proto_texts = set.proto_texts or {}
    set.proto_texts[unit.value.side] = unit.value.text
    return true
  end,
  complete = function(set, server)
    local texts = set.proto_texts or {}
    set.proto_texts = nil
    if not server.protos.places then return end
    if not server.checked.use_protobuf and not texts.server and not texts.client then return end
    if not texts.server and not texts.client then
      set.warnings[#set.warnings + 1] = "connectorConfig.useProtobuf: there is neither "
        .. "config/serverProtos.json nor config/clientProtos.json, so that all bodies are JSON"
    end
    -- The same object while the files are the same: clients have definitions of few versions.
    local last = server.protos.last
    if not last or last.server ~= texts.server or last.client ~= texts.client then
      last = { server = texts.server, client = texts.client,
        set = assert(core.protos(texts.server, texts.client)) }
      server.protos.last = last
      if server.frontend and texts.server then look_at_errors(set, texts.server) end
    end
    set.protos = last.set
  end,
}

return protos
