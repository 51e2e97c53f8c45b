-- dictionary: the route dictionary of a frontend (connectorConfig.useDict): found before the server
-- is loaded, the same for all servers of the program, announced in the handshake (protocol 3.3). A
-- reload changes no number: a route that is new travels in full until the program starts again.
local config = require "pomelua.config.dictionary"
local core = require "pomelua.core"

local dictionary = {}

local HAS_DICTIONARY = { dict = true } -- as of node:setForm

-- What scripts of a server that starts may take.
local function limits_of(checked)
  local ms = checked.budget_ms
  return { ms = ms == 0 and 0 or math.max(ms, checked.start_budget_ms), mib = checked.memory_mib }
end

local function build(server)
  local checked = server.checked
  local types = {}
  for stype in pairs(server.by_type) do types[#types + 1] = stype end
  table.sort(types)
  local found, message = config.routes(server.base, server.env, types, checked.dict_path,
    limits_of(checked))
  if not found then return nil, message end
  if found.locked and found.new[1] then
    server:notice(("%s: %d of the routes have no number in it, for example %s: run `pomelua dict`,"
      .. " so that they keep the ones they have now"):format(config.LOCK, #found.new, found.new[1]))
  end
  return core.dictionary(found.routes, found.codes)
end

-- All fields, or the last alone for a client that has kept this dictionary.
local function announce(server, d)
  local version, brief = d:version(), '"useDict":true'
  local whole = d:fields() .. "," .. brief
  server.handshake_fields.dict = function(_, sys)
    return sys.dictVersion == version and brief or whole, HAS_DICTIONARY
  end
end

---Makes a frontend use a dictionary, when the app says so.
---@param server pomelua.Server
---@return boolean|nil ok
---@return string|nil message one line with the file: the server cannot start
function dictionary.use(server)
  if not server.frontend or not server.checked.use_dict then return true end
  local d, message = server.node:dictionary(server.checked.dict_path or "", function()
    return build(server)
  end)
  if not d then return nil, message end
  server.dictionary = d
  server.node:setDictionary(d)
  announce(server, d)
  return true
end

return dictionary
