-- networks: lists of addresses and networks, and of origins of pages, as settings, files and
-- scripts give them.
local core = require "pomelua.core"
local tables = require "pomelua.base.tables"

local networks = {}

local function wrong_list(list, what, check)
  if type(list) ~= "table" then
    return ("must be a list of %s, got %s"):format(what, tables.shown(list))
  end
  for key, one in next, list do
    if type(key) ~= "number" or type(one) ~= "string" then
      return ("must be a list of %s, got an entry %s"):format(what,
        tables.shown(type(key) == "number" and one or key))
    end
    local ok, why = check(one)
    if not ok then return why end
  end
  if not tables.is_list(list) then return ("must be a list of %s without gaps"):format(what) end
end

---What is wrong with a list of addresses and networks: "10.1.2.3", "10.0.0.0/8", "2001:db8::/32".
---@param list any
---@return string|nil text
function networks.wrong(list) return wrong_list(list, "addresses and networks", core.network) end

---What is wrong with a list of origins: "https://game.example", "https://*.game.example", "null".
---@param list any
---@return string|nil text
function networks.wrong_origins(list) return wrong_list(list, "origins", core.origin) end

return networks
