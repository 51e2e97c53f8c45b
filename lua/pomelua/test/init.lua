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
-- A server or cluster that an `it` (or its before_each) made ends with that `it`; one made in
-- setup lives until test.closeAll or its close.
local core = require "pomelua.core"
local guards = require "pomelua.run.guards"
local http = require "pomelua.test.http"
local kit_cluster = require "pomelua.test.cluster"
local kit_databases = require "pomelua.test.databases"
local kit_server = require "pomelua.test.server"
local leftovers = require "pomelua.test.leftovers"

local test = {
  -- Whether an `it` fails when its servers have timers or waiting tasks at its end. They end
  -- with their server in any case; a game may well leave an interval running.
  strict = false,
}

local open = {} -- servers and clusters in the order in which they were made

local function close_where(check)
  for i = #open, 1, -1 do
    if check(open[i]) then
      local one = table.remove(open, i)
      one:close()
    end
  end
end

-- Checks at the end of the test's own function, where an error is still that test's.
local function watch(element)
  if not element or not element.run then return end
  local run = element.run
  element.run = function(...)
    element.run = run
    run(...)
    local wrong = http.failures_of()
    if wrong then error(wrong, 0) end
    local text = test.strict and leftovers.of(open)
    if text then error("left behind:\n" .. text, 0) end
  end
end

guards.protect()
-- A script that never ends is stopped, as in a server.
kit_server.limit = core.limit(1000, debug.getinfo(guards.protect, "S").source:match("^(.*/)run/"))
kit_cluster.limit = kit_server.limit

-- busted reports when an `it` begins and ends; outside of busted nothing does.
local found, busted = pcall(require, "busted")
if not found or type(busted) ~= "table" then busted = nil end
if busted and busted.subscribe then
  busted.subscribe({ "test", "start" }, function(element)
    for _, one in ipairs(open) do
      if one.databases and one.node and not one.of_test then kit_databases.empty(one) end
    end
    watch(element)
    return nil, true
  end)
  busted.subscribe({ "test", "end" }, function()
    close_where(function(one) return one.of_test end)
    http.test_ended()
    return nil, true
  end)
end
require("pomelua.test.matchers")()

-- What busted runs outside of a single test.
local lasting = {
  setup = true, lazy_setup = true, strict_setup = true, teardown = true, lazy_teardown = true,
  strict_teardown = true, describe = true, context = true, insulate = true, expose = true,
  file = true, suite = true,
}

-- Whether an `it` or a before_each runs. busted tells nobody of a before_each, so the
-- function of busted that runs it is looked for: its first argument says what it runs.
local function inside()
  if not busted then return false end
  for level = 3, 200 do
    local info = debug.getinfo(level, "S")
    if not info then return false end
    if info.source:find("busted/core%.lua$") then
      local name, descriptor = debug.getlocal(level, 1)
      if name == "descriptor" then return not lasting[descriptor] end
    end
  end
  return false
end

local function keep(one)
  one.of_test = inside()
  open[#open + 1] = one
  return one
end

---@class pomelua.test.Options
---@field base string the app's folder
---@field type string server type
---@field id string|nil an id of config/servers.json; the first of the type when left out
---@field env string|nil "development" when left out
---@field databases table<string, pomelua.test.Database|table>|nil by name: test.sqlite(), or an
---object of the spec's own, which scripts get as it is
---@field state string|nil the folder in which paths of SQLite files begin that scripts open; one of
---the server's own when left out, which ends with it
---@field time number|nil what the server's clock shows first, seconds since 1970; now when left out

---Makes a server of an app and runs its app.lua, as `pomelua start` would. Raises when that fails.
---@param options pomelua.test.Options
---@return pomelua.test.Server
function test.server(options)
  return keep(kit_server.new(options))
end

---A database for a server in a spec: SQLite in memory, with the migrations of the app, empty before
---each test: test.server { databases = { players = test.sqlite() } }.
---@return pomelua.test.Database
function test.sqlite() return kit_databases.sqlite() end

---Starts all servers of an app for real, as threads of this process, on free ports of
---127.0.0.1. Raises when that fails.
---@param options pomelua.test.ClusterOptions
---@return pomelua.test.Cluster
function test.cluster(options)
  return keep(kit_cluster.new(options))
end

---Answers what servers of test.server ask by http.request. The name of a stub is a method and an
---url, without the query or with it; one that ends with * answers all that begin so. A stub gets
---the request and returns { status =, headers =, body = } or { json = }, or nil and an error: a
---code such as "TIMEOUT", or a sentence; it may take time: pomelua.sleep. A request without a stub
---gets an error, and the `it` fails and says which. Other stubs take the place of these; those of
---an `it` or its before_each end with that `it`.
---@param stubs table<string, fun(req: pomelua.test.HttpCall): table|nil, any>
---@return pomelua.test.Services services services.calls has what was asked
function test.http(stubs)
  return http.set(stubs, inside())
end

---Ends every server and cluster that is still there.
function test.closeAll()
  close_where(function() return true end)
  http.forget()
end

return test
