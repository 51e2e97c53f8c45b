-- test: a game's servers inside a plain busted run, without sockets, threads or
-- real time. Handlers, dispatcher, sessions, channels and JSON are the real ones;
-- what leaves the server is kept for the spec to look at.
--
--   local test = require "pomelua.test"
--   local server = test.server{ base = ".", type = "chat", id = "chat-1" }
--   local answer = server:request("chat.chatHandler.send", { content = "hello" },
--     { uid = "ann", frontendId = "connector-1", settings = { rid = "lobby" } })
--   assert.same({ "ann" }, server:pushed()[1].to)
--
-- A server that an `it` (or its before_each) made ends with that `it`; one made in
-- setup lives until test.closeAll or server:close.
local kit_server = require "pomelua.test.server"

local test = {}

local open = {}      -- servers in the order in which they were made
local inside = false -- between the start and the end of an `it`

local function close_where(check)
  for i = #open, 1, -1 do
    if check(open[i]) then
      open[i]:close()
      table.remove(open, i)
    end
  end
end

-- busted tells when an `it` begins and ends; outside of busted nobody does.
local found, busted = pcall(require, "busted")
if found and type(busted) == "table" and busted.subscribe then
  busted.subscribe({ "test", "start" }, function()
    inside = true
    return nil, true
  end)
  busted.subscribe({ "test", "end" }, function()
    inside = false
    close_where(function(server) return server.of_test end)
    return nil, true
  end)
end

---@class pomelua.test.Options
---@field base string the app's folder
---@field type string server type
---@field id string|nil an id of config/servers.json; the first of the type when left out
---@field env string|nil "development" when left out

---Makes a server of an app and runs its app.lua, as `pomelua start` would. Raises when that fails.
---@param options pomelua.test.Options
---@return pomelua.test.Server
function test.server(options)
  local server = kit_server.new(options)
  server.of_test = inside
  open[#open + 1] = server
  return server
end

---Ends every server that is still there.
function test.closeAll()
  close_where(function() return true end)
end

return test
