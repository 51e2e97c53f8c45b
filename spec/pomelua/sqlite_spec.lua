-- pomelua.sqlite (sqlite.lua, store/handles.lua, store/limits.lua): which files it opens, who
-- shares them, and how long they are open.
local handles = require "pomelua.store.handles"
local test = require "pomelua.test"
local tree = require "spec.support.tree"
local uv = require "luv"

local function module_of(options, version)
  return ([[
    local pomelua = require "pomelua"
    local db = require("pomelua.sqlite").open %s
    local Remote = { version = function() return %d end }
    function Remote.exec(_, sql) return db:exec(sql) end
    function Remote.count() return db:query("select count(*) as n from t")[1].n end
    function Remote.slowly(_, ms)
      return db:transaction(function(tx)
        tx:exec "insert into t values (1)"
        pomelua.sleep(ms)
        return tx:exec "insert into t values (2)"
      end)
    end
    return Remote
  ]]):format(options, version)
end

describe("pomelua.sqlite", function()
  local base, server

  local function write(options, version)
    tree.write(base, "app/servers/area/remote/bank.lua", module_of(options, version))
  end

  local function open_files()
    local list = {}
    handles.each(server.inner, function(handle)
      if handle.store then list[#list + 1] = handle.options.file:match("[^/]+$") end
    end)
    table.sort(list)
    return list
  end

  local function ask(method, ...)
    local err, value = server:rpc("bank." .. method, ...)
    assert.is_nil(err)
    return value
  end

  before_each(function()
    base = tree.new {
      ["app.lua"] = 'require("pomelua").createApp():start()',
      ["config/servers.json"] = '{ "development": { "area": [{ "id": "area-1" }] } }',
    }
    write('{ file = "data/deep/a.db" }', 1)
    server = test.server { base = base, type = "area", state = base }
  end)
  after_each(function()
    server:close()
    tree.remove(base)
  end)

  it("makes the file in the app's folder at the first call, and the folders above it", function()
    assert.is_nil(uv.fs_stat(base .. "/data/deep/a.db"))
    assert.same({}, open_files())
    ask("exec", "create table t (x integer)")
    assert.truthy(uv.fs_stat(base .. "/data/deep/a.db"))
    assert.same({ "a.db" }, open_files())
  end)

  it("stays open over a reload when the new code has it, too", function()
    ask("exec", "create table t (x integer)")
    local store
    handles.each(server.inner, function(handle) store = handle.store end)
    write('{ file = "data/deep/a.db" }', 2)
    assert(server:reload())
    assert.equal(2, ask "version")
    assert.equal(0, ask "count")
    handles.each(server.inner, function(handle) assert.equal(store, handle.store) end)
  end)

  it("is closed by a reload when no code has it, after the calls of the old code", function()
    ask("exec", "create table t (x integer)")
    server:rpc("bank.slowly", 100)
    write('{ file = "data/b.db" }', 2)
    assert(server:reload())
    ask("exec", "create table t (x integer)")
    assert.same({ "a.db", "b.db" }, open_files())
    server:tick(100)
    assert.same({ "b.db" }, open_files())
    assert.equal(0, ask "count")
    write('{ file = "data/deep/a.db" }', 3)
    assert(server:reload())
    assert.equal(2, ask "count") -- the transaction of the old code was kept
  end)

  it("is told at the game's line which limit is wrong", function()
    for options, message in pairs {
      ["{ file = 'a.db', rows = 0 }"] =
        "sqlite.open: rows must be a whole number from 1 to 10000000, got 0",
      ["{ file = 'a.db', timeout = 10.5 }"] =
        "sqlite.open: timeout must be a whole number from 10 to 600000, got 10.5",
      ["{ file = 'a.db', idle = 1000 }"] = "sqlite.open: there is no option idle",
      ["{ file = 'a.db', wait = 1 }"] = "sqlite.open: there is no option wait",
    } do
      write(options, 2)
      local ok, err = server:reload()
      assert.is_nil(ok)
      assert.matches("app/servers/area/remote/bank.lua:2: " .. message, tostring(err), 1, true)
    end
  end)

  it("lies in a folder of the spec's own when the spec names none, over a restart, too", function()
    local other = test.server { base = base, type = "area" }
    other:rpc("bank.exec", "create table t (x integer)")
    local folder = other.folder
    assert.truthy(uv.fs_stat(folder .. "/data/deep/a.db"))
    other:restart { killed = true }
    assert.equal(0, select(2, other:rpc("bank.count")))
    assert.is_nil(uv.fs_stat(base .. "/data/deep/a.db"))
    other:close()
    assert.is_nil(uv.fs_stat(folder))
    assert.error_matches(function()
      test.server { base = base, type = "area", state = base .. "/none" }
    end, "test.server: there is no folder ")
  end)

  it("is closed with its server", function()
    ask("exec", "create table t (x integer)")
    server:close()
    assert.is_nil(uv.fs_stat(base .. "/data/deep/a.db-wal"))
  end)
end)
