-- pomelua.data: JSON files that are read again when they change.
local lines = require "spec.support.lines"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

local ITEMS = "config/data/items.json"

describe("pomelua.data", function()
  local base, server

  local function start(text, handler)
    base = tree.new {
      ["app.lua"] = 'local app = require("pomelua").createApp()\napp:start()\n',
      ["config/servers.json"] = [[{"development": {"chat": [{"id": "chat-1",
        "host": "127.0.0.1"}]}}]],
      [ITEMS] = text,
      ["app/servers/chat/handler/h.lua"] = 'local pomelua = require "pomelua"\n' .. (handler or [[
        local kept = pomelua.data("config/data/items.json")
        return { m = function() return kept end,
          again = function() return { pomelua.data("config/data/items.json") == kept } end }]]),
    }
    server = test.server { base = base, type = "chat" }
  end

  local function ask(method) return (server:request("chat.h." .. (method or "m"), {})) end

  local function logged(text) return lines.count(server, text) > 0 end

  it("is the contents of the file, the same table each time", function()
    start '{"sword":{"damage":3},"list":[]}'
    assert.same({ sword = { damage = 3 }, list = {} }, ask())
    assert.same({ true }, ask "again")
  end)

  it("is filled anew when the file changes, for who keeps the table too", function()
    start '{"sword":{"damage":3},"old":1}'
    tree.write(base, ITEMS, '{"sword":{"damage":12}}')
    server:tick(1000)
    assert.same({ sword = { damage = 12 } }, ask())
    assert.is_true(logged(ITEMS .. ": read again"))
    tree.write(base, ITEMS, '["a","longer","array"]')
    server:reload()
    assert.same({ "a", "longer", "array" }, ask())
    tree.write(base, ITEMS, "[]")
    ask "again" -- a spec sees it at once
    assert.same({ true }, ask "again")
    assert.same({}, ask())
  end)

  it("keeps the old contents when the file is broken or gone, and says so", function()
    start '{"a":1}'
    tree.write(base, ITEMS, '{\n"a":2,\n}')
    server:tick(1000)
    assert.same({ a = 1 }, ask())
    assert.is_true(logged(ITEMS .. ":3: "))
    assert.is_true(logged "; the old content stays in force")
    tree.write(base, ITEMS, "false  ")
    server:tick(1000)
    assert.is_true(logged(ITEMS .. ": must be a JSON object or an array, got a boolean"))
    os.remove(base .. "/" .. ITEMS)
    server:tick(1000)
    assert.is_true(logged(ITEMS .. ": there is no such file"))
    assert.same({ a = 1 }, ask())
    local n = #server:log()
    server:tick(5000)
    assert.equal(n, #server:log())
    tree.write(base, ITEMS, '{"a":3}')
    server:tick(1000)
    assert.same({ a = 3 }, ask())
  end)

  it("raises at the line of the script when it cannot be read", function()
    start("{}", [[
      return { m = function() pomelua.data("config/none.json") end,
        bad = function()
          return { select(2, pcall(pomelua.data, "/etc/hosts")), select(2, pcall(pomelua.data)) }
        end, nul = function()
          return { select(2, pcall(function() pomelua.data("config/items.json\0.bak") end)) }
        end }]])
    assert.same({ code = 500 }, ask())
    assert.is_true(logged "h.lua:2: pomelua.data: config/none.json: there is no such file")
    assert.matches("path must be a string, from the app's folder on", ask("bad")[1], 1, true)
    assert.matches("h.lua:6: pomelua.data(path): ", ask("nul")[1], 1, true)
    assert.matches("holds a NUL character", ask("nul")[1], 1, true)
    assert.has_error(function()
      start("{", nil)
    end)
  end)

  it("leaves nothing behind in a strict spec", function()
    start("{}", [[return { m = function() return pomelua.data("config/data/items.json") end }]])
    local leftovers = require "pomelua.test.leftovers"
    ask()
    assert.is_nil(leftovers.of { server })
  end)
end)
