-- trust: whom a scripted client believes when it connects by TLS: its option `tls`.
local core = require "pomelua.core"
local errors = require "pomelua.base.errors"
local near = require "pomelua.base.near"

local trust = {}

local KEYS = { ca = "string", name = "string", insecure = "boolean" }

local kept = {} -- by ca and insecure: reading the authorities of a system takes milliseconds

---@class pomelua.Trust
---@field ca string|nil a PEM file of the authorities that are believed; the system's when left out
---@field name string|nil the host that the server's certificate is for; `host` when left out
---@field insecure boolean|nil any certificate is believed: for tests

---What is wrong with the option, or nil.
---@param tls any
---@return string|nil message
function trust.wrong(tls)
  if tls == nil or type(tls) == "boolean" then return nil end
  if type(tls) ~= "table" then return "tls is true or a table { ca =, name =, insecure = }" end
  for key, value in pairs(tls) do
    local kind = KEYS[key]
    if not kind then
      return ("tls: there is no option %s%s"):format(errors.tostring(key), near.hint(key, KEYS))
    end
    if type(value) ~= kind or kind == "string" and value:find("%z") then
      return ("tls.%s must be a %s"):format(key, kind)
    end
  end
end

---@param tls true|pomelua.Trust
---@return userdata|nil trust for core.connect
---@return string|nil message
---@return string|nil name
function trust.of(tls)
  local given = tls == true and {} or tls
  local id = (given.insecure and "insecure" or "") .. "\n" .. (given.ca or "")
  if not kept[id] then
    local one, message, name = core.trust(given.ca, given.insecure)
    if not one then return nil, message, name end
    kept[id] = one
  end
  return kept[id], given.name
end

---Connects, by TLS when there is the option.
---@param host string
---@param port number
---@param tls boolean|pomelua.Trust|nil
---@param ms number
---@return userdata|nil socket
---@return string|nil message
---@return string|nil name
function trust.connect(host, port, tls, ms)
  if not tls then return core.connect(host, port, ms) end
  local whom, host_name, name = trust.of(tls)
  if not whom then return nil, "tls.ca: " .. host_name, name end
  return core.connect(host, port, ms, whom, host_name)
end

return trust
