-- unsupported: parts of Pomelo's API that this version does not have. Calling one says so,
-- instead of "attempt to call a nil value"; a configuration file of one is a warning.
local files = require "pomelua.base.files"

local unsupported = {}

local app_methods = {
  "filter", "before", "after", "globalFilter", "globalBefore", "globalAfter", "rpcFilter",
  "rpcBefore", "rpcAfter", "use", "load", "addCrons", "removeCrons", "registerAdmin", "transaction",
  "beforeStopHook", "addServers", "removeServers", "replaceServers", "getMaster", "getServerTypes",
  "getServersFromConfig", "getServerFromConfig", "isMaster", "usePlugin", "rpcFilters",
}
local functions = { "serial", "timeout", "time", "toobusy", "rpcLog" }

local config_files = {
  ["config/crons.json"] = "this version has no crons",
  ["config/dictionary.json"] = "this version sends routes in full",
  ["config/serverProtos.json"] = "this version sends bodies as JSON only",
  ["config/clientProtos.json"] = "this version sends bodies as JSON only",
}

local function refuse(name)
  return function()
    error(name .. " is not in this version of Pomelua (see docs/from-pomelo.md)", 2)
  end
end

---Adds the methods of app that are not there.
---@param methods table
function unsupported.app(methods)
  for _, name in ipairs(app_methods) do
    if not methods[name] then methods[name] = refuse("app:" .. name) end
  end
end

---Adds the functions of pomelua that are not there.
---@param pomelua table
function unsupported.pomelua(pomelua)
  for _, name in ipairs(functions) do
    if pomelua[name] == nil then pomelua[name] = refuse("pomelua." .. name) end
  end
end

---What of an app's configuration does nothing here.
---@param base string the app's folder
---@return string[] texts
function unsupported.config(base)
  local list = {}
  for path, text in pairs(config_files) do
    if files.exists(base .. "/" .. path) then list[#list + 1] = path .. ": " .. text end
  end
  table.sort(list)
  return list
end

return unsupported
