local generation = require "pomelua.live.generation"
local plan = require "pomelua.live.plan"

describe("the plan of a reload", function()
  local server = { base = "/no/such/app", type = "chat", env = "production" }
  local old, texts

  local function path(name) return server.base .. "/" .. name end

  local function set(...)
    local map = {}
    for _, name in ipairs { ... } do map[path(name)] = true end
    return map
  end

  -- {[name] = {what it requires}}
  local function units(map)
    texts = {}
    for name in pairs(map) do texts[path(name)] = "old" end
    old = generation.new(server, 1, texts)
    for name, required in pairs(map) do
      local unit = { requires = {}, names = {} }
      for _, other in ipairs(required) do
        unit.requires[path(other)] = true
        unit.names[(other:gsub("%.lua$", ""):gsub("/", "."))] = path(other)
      end
      old.units[path(name)] = unit
    end
    local new = {}
    for name in pairs(texts) do new[name] = "old" end
    return new
  end

  it("finds what differs, came and went", function()
    assert.same({ b = true, c = true, d = true },
      plan.differing({ a = "1", b = "1", c = "1" }, { a = "1", b = "2", d = "1" }))
    assert.same({}, plan.differing({ a = "1" }, { a = "1" }))
  end)

  it("takes in every unit that requires what has changed, directly or not", function()
    local new = units { ["a.lua"] = {}, ["b.lua"] = { "a.lua" }, ["c.lua"] = { "b.lua" },
      ["other.lua"] = {} }
    assert.same(set("a.lua", "b.lua", "c.lua"),
      plan.dependents(server, old, new, set "a.lua"))
  end)

  it("ends where units require each other", function()
    local new = units { ["a.lua"] = { "b.lua" }, ["b.lua"] = { "a.lua" } }
    assert.same(set("a.lua", "b.lua"), plan.dependents(server, old, new, set "a.lua"))
  end)

  it("takes in a unit whose module would now be found elsewhere", function()
    local new = units { ["lib/init.lua"] = {}, ["user.lua"] = {}, ["other.lua"] = {} }
    old.units[path "user.lua"].names.lib = path "lib/init.lua"
    new[path "lib.lua"] = "new"
    local dirty = plan.dependents(server, old, new, set "lib.lua")
    assert.is_true(dirty[path "user.lua"])
    assert.is_nil(dirty[path "other.lua"])
  end)

  for _, name in ipairs { "chat.room", "room", "app.servers.chat.handler.room",
    "app/servers/chat/handler/room.lua" } do
    it("knows a handler as " .. name, function()
      local handler = "app/servers/chat/handler/room.lua"
      local new = units { [handler] = {}, ["app/x.lua"] = {} }
      new[path(handler)], new[path "app/x.lua"] = "new", "new"
      local changed, mixed, unknown = plan.only_named(server, old, new, { name, "nobody" })
      assert.same(set(handler), changed)
      assert.equal("new", mixed[path(handler)])
      assert.equal("old", mixed[path "app/x.lua"])
      assert.same({ "nobody" }, unknown)
    end)
  end
end)
