-- unsupported: methods of Pomelo's that are declined. Calling one says what a game does instead,
-- and not "attempt to call a nil value".
local unsupported = {}

-- Methods of Pomelo's that are declined, and what a game does instead.
local NO_LIST = "the program itself keeps the list of servers: `pomelua add` starts one and "
  .. "`pomelua stop` ends one; app.event add_servers and remove_servers tell of it"
local declined = {
  transaction = "it called functions one after the other and took nothing back; write a task that "
    .. "calls them (pomelua.await) and repeats what failed",
  beforeStopHook = "write beforeShutdown(app, cb) in app/servers/<type>/lifecycle.lua",
  addServers = NO_LIST, removeServers = NO_LIST, replaceServers = NO_LIST,
  getMaster = "there is no master: one program runs all servers",
  configureLogger = "config/log.json, or log4js.json, is read by itself at the start",
  usePlugin = "app:use(plugin, opts) adds a plugin",
  require = 'write require "app.util.x" for app/util/x.lua',
}

---Adds the methods of app that are not there.
---@param methods table
function unsupported.app(methods)
  for name, text in pairs(declined) do
    methods[name] = function() error(("app:%s: %s"):format(name, text), 2) end
  end
end

---Whether a method of app is there only to say that it is not.
---@param name string
---@return boolean
function unsupported.is_declined(name) return declined[name] ~= nil end

return unsupported
