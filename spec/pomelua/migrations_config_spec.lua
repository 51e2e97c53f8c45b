-- The files of app/migrations, and what a database lacks of them. Tests config/migrations.lua.
local migrations = require "pomelua.config.migrations"
local tree = require "spec.support.tree"

describe("the migrations of a database", function()
  local base
  after_each(function() tree.remove(base) end)

  local function read(files, fault)
    local all = {}
    for name, text in pairs(files) do all["app/migrations/players/" .. name] = text end
    all["app.lua"] = ""
    base = tree.new(all)
    return migrations.read(base, "players", fault)
  end

  local function names(list)
    local out = {}
    for i, one in ipairs(list) do out[i] = one.name end
    return out
  end

  it("are none without a folder", function()
    assert.same({}, read {})
  end)

  it("stand in the order of their numbers, whatever else lies there", function()
    local list = assert(read { ["10_c.sql"] = "c", ["002_b-x.sql"] = "b", ["1_a.sql"] = "a",
      ["README.md"] = "x" })
    assert.same({ "1_a.sql", "002_b-x.sql", "10_c.sql" }, names(list))
    assert.equal("app/migrations/players/002_b-x.sql", list[2].path)
    assert.equal("b", list[2].text)
  end)

  it("are the same with the line ends of Windows", function()
    local list = assert(read { ["1_a.sql"] = "a;\nb;\n", ["2_a.sql"] = "a;\r\nb;\r\n" })
    assert.equal(list[1].checksum, list[2].checksum)
  end)

  for name, case in pairs {
    ["players.sql"] = { "x", ": a migration is named NNN_name.sql" },
    ["001.sql"] = { "x", ": a migration is named NNN_name.sql" },
    ["001_a.SQL"] = { "x", ": a migration is named NNN_name.sql" },
    ["1234567890_a.sql"] = { "x", ": a migration is named NNN_name.sql" },
    ["001_a.sql"] = { " \n", ": the file is empty" },
    ["002_a.sql"] = { "create table a (b);\n\0", ":2: a NUL character; this is no text" },
    ["005_a.sql"] = { "-- \195\164\n-- \228\n", ":2: bytes that are not UTF-8; save the file" },
    ["003_a.sql"] = { "-- x\nBEGIN;\ncreate table a (b);\ncommit;", ":2: a migration is" },
    ["004_a.sql"] = { "create table a (b);\n  COMMIT ;", ":2: a migration is one transaction" },
  } do
    it(("refuse %s with %q"):format(name, case[1]), function()
      local list, message = read { [name] = case[1] }
      assert.is_nil(list)
      local path = "app/migrations/players/" .. name
      assert.equal(path .. case[2], message:sub(1, #path + #case[2]))
    end)
  end

  it("may begin with the mark of Windows editors, which is no SQL", function()
    assert.equal("select 1;", assert(read { ["1_a.sql"] = "\239\187\191select 1;" })[1].text)
  end)

  it("may have triggers, whose statements begin and end", function()
    assert(read { ["1_a.sql"] = "create trigger t after insert on a begin\n delete from b;\nend;" })
  end)

  it("have a number each", function()
    local list, message = read { ["1_a.sql"] = "a", ["001_b.sql"] = "b" }
    assert.is_nil(list)
    assert.equal("app/migrations/players/1_a.sql: 001_b.sql has the same number; each has one of "
      .. "its own", message)
  end)

  it("say every fault to pomelua check", function()
    local faults = {}
    local list = read({ ["x.sql"] = "x", ["1_a.sql"] = "", ["2_b.sql"] = "b" },
      function(text) faults[#faults + 1] = text end)
    assert.equal(2, #faults)
    assert.same({ "2_b.sql" }, names(list))
  end)

  it("of no database are named", function()
    base = tree.new { ["app/migrations/1_a.sql"] = "", ["app/migrations/player/1_a.sql"] = "",
      ["app/migrations/cache/1_a.sql"] = "", ["app/migrations/players/1_a.sql"] = "" }
    assert.same({
      "app/migrations/1_a.sql: it is not run there; put it into app/migrations/<database>",
      "app/migrations/cache: a database of the kind redis has no tables, so nothing of it is run",
      "app/migrations/player: config/databases.json has no database of this name; did you mean "
        .. "players?",
    }, migrations.strays(base, { players = "sqlite", cache = "redis" },
      function(kind) return kind == "sqlite" end))
  end)

  describe("that were run", function()
    local function done(...)
      local out = {}
      for _, one in ipairs { ... } do
        out[one.number] = { name = one.name, checksum = one.checksum, at = "2026-11-27 10:00:00" }
      end
      return out
    end

    local function list_of(files) return assert(read(files)) end

    it("are not run again", function()
      local list = list_of { ["1_a.sql"] = "a", ["2_b.sql"] = "b", ["3_c.sql"] = "c" }
      local pending, notes = migrations.plan("players", list, done(list[1], list[2]))
      assert.same({ "3_c.sql" }, names(pending))
      assert.same({}, notes)
      assert.same({}, migrations.plan("players", list, done(list[1], list[2], list[3])))
    end)

    it("and have changed, or are gone, are named", function()
      local list = list_of { ["1_a.sql"] = "a", ["2_b.sql"] = "b" }
      local was = done({ number = 1, name = "1_a.sql", checksum = "x" },
        { number = 2, name = "2_b.sql", checksum = list[2].checksum },
        { number = 3, name = "3_c.sql", checksum = "y" })
      local pending, notes = migrations.plan("players", list, was)
      assert.same({}, pending)
      assert.same({
        "app/migrations/players/1_a.sql: it was run as 1_a.sql on 2026-11-27 10:00:00 and has "
          .. "changed since; what has changed is not in the database: write it into a new file",
        "app/migrations/players/3_c.sql: it was run on 2026-11-27 10:00:00, and the file is not "
          .. "there",
      }, notes)
    end)

    it("are not taken for one of another name", function()
      local list = list_of { ["1_a.sql"] = "a", ["2_b.sql"] = "b", ["3_c.sql"] = "c" }
      local pending, message = migrations.plan("players", list, done(list[1],
        { number = 2, name = "2_ladder.sql", checksum = list[2].checksum }))
      assert.is_nil(pending)
      assert.equal("app/migrations/players/2_b.sql: the database has run 2_ladder.sql with this "
        .. "number, on 2026-11-27 10:00:00; give the file its old name back, or a number above 2",
        message)
    end)

    it("leave no place for one that comes before them", function()
      local list = list_of { ["1_a.sql"] = "a", ["2_b.sql"] = "b" }
      local pending, message = migrations.plan("players", list, done(list[2]))
      assert.is_nil(pending)
      assert.equal("app/migrations/players/1_a.sql: it comes before 2_b.sql, which was run "
        .. "already; give it a number above 2", message)
    end)
  end)
end)
