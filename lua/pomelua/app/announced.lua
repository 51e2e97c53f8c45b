-- announced: what other processes hear of a server: its entry of servers.json, and which route
-- dictionary and protobuf definitions its clients get. There ops/elsewhere reads it.
local core = require "pomelua.core"

local announced = {}

-- The key of an announced entry that is not the game's.
announced.OURS = "pomelua"

-- The versions that a set brings with it; none of a kind that this server does not use.
local function text_of(server, set)
  local entry = {}
  for key, value in pairs(server.info) do entry[key] = value end
  local protos = set.protos and set.protos:version()
  entry[announced.OURS] = {
    dictionary = server.dictionary and server.dictionary:version() or nil,
    protos = protos ~= "" and protos or nil,
  }
  return assert(core.encode(entry, "config/servers.json")) -- it came as JSON
end

---Each set of code that comes into force is announced when its versions are other ones.
---@param server pomelua.Server
function announced.follow(server)
  local last
  server.registry:on_swap(function(set)
    local text = text_of(server, set)
    if text ~= last then server.node:inform(text) end
    last = text
  end)
end

return announced
