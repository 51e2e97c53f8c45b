-- door: who may come in as a client of this frontend: the lists of connectorConfig, those that
-- scripts set at run time (connectionService), and the list of Pomelo's blacklistFun.
local errors = require "pomelua.base.errors"
local files = require "pomelua.base.files"
local json_file = require "pomelua.base.json_file"
local networks = require "pomelua.base.networks"
local setting_files = require "pomelua.run.setting_files"
local tables = require "pomelua.base.tables"
local task = require "pomelua.run.task"
local timers = require "pomelua.run.timers"

local door = {}

local ASKED_MS = 10000 -- between two calls of blacklistFun

---The part of a server that belongs to this file.
---@param server pomelua.Server
function door.init(server)
  server.door = {
    allow = nil, -- list; nil: everybody
    deny = nil,
    blacklist = {}, -- of blacklistFun
    timer = nil, -- until its next call
  }
end

local function put(server, which)
  local own = server.door
  local list = own[which]
  if which == "deny" and #own.blacklist > 0 then
    list = tables.copy(own.blacklist)
    for _, one in ipairs(own.deny or {}) do list[#list + 1] = one end
  end
  return server.node:setAddresses(which, list)
end

---Puts a list into force, in the place of the one before.
---@param server pomelua.Server
---@param which "allow"|"deny"
---@param list string[]|nil
---@return string|nil wrong
function door.set(server, which, list)
  local wrong = list ~= nil and networks.wrong(list)
  if wrong then return wrong end
  server.door[which] = list and tables.copy(list) or nil
  local ok, message = put(server, which)
  if not ok then return message end
end

-- A list that a file has.
local function read_file(server, which, path)
  local absolute = path:sub(1, 1) == "/"
  local value, message = json_file.read(absolute and "" or server.base, (path:gsub("^/", "")))
  if message then return (absolute and "/" or "") .. message end
  if value == nil then return path .. ": there is no such file" end
  local wrong = door.set(server, which, value)
  return wrong and path .. ": " .. wrong
end

local function use_list(server, which, given)
  if type(given) ~= "string" then return door.set(server, which, given) end
  local function read() return read_file(server, which, given) end
  setting_files.add(server, { -- before it is read: what changes meanwhile is seen
    what = "connectorConfig." .. which, paths = { files.from(server.base, given) }, read = read,
  })
  return read()
end

---What the app has set takes effect.
---@param server pomelua.Server
---@param given table allow, deny: a list or the path of a JSON file; trusted, origins: a list
---@return boolean|nil ok
---@return string|nil message names the key
function door.use(server, given)
  for _, which in ipairs { "allow", "deny" } do
    local wrong = use_list(server, which, given[which])
    if wrong then return nil, ("connectorConfig.%s: %s"):format(which, wrong) end
  end
  local ok, message = server.node:setAddresses("trusted", given.trusted)
  if ok then ok, message = server.node:setOrigins(given.origins) end
  return ok, message
end

-- --- blacklistFun --------------------------------------------------------------------------------

-- Entries that are no networks are left out: Pomelo takes regular expressions there.
local function take(server, list)
  local own, good = server.door, {}
  if type(list) ~= "table" then
    return server:error("blacklistFun: it gives no list, but a " .. type(list), "blacklistFun")
  end
  for _, one in ipairs(list) do
    local wrong = networks.wrong { one }
    if not wrong then
      good[#good + 1] = one
    else
      server:error(("blacklistFun: %s; Pomelua takes no regular expressions, write a network")
        :format(wrong), "blacklistFun")
    end
  end
  own.blacklist = good
  put(server, "deny")
end

local function call(server, fn)
  local done = false
  local function answer(err, list)
    if done then return end
    done = true
    if err then
      return server:error("blacklistFun: " .. errors.text(err), "blacklistFun")
    end
    take(server, list)
  end
  local list, err = fn(answer)
  if list ~= nil or err ~= nil then answer(err, list) end
end

---The server listens: blacklistFun is called now, and from time to time.
---@param server pomelua.Server
---@param fn function|nil
function door.start(server, fn)
  if not fn then return end
  task.run(server, server:context("blacklistFun"), call, server, fn)
  server.door.timer = timers.start(server, ASKED_MS, { of_framework = true, fire = function()
    door.start(server, fn)
  end })
end

---The server stops.
---@param server pomelua.Server
function door.stop(server)
  if server.door.timer then timers.stop(server, server.door.timer) end
  server.door.timer = nil
end

return door
