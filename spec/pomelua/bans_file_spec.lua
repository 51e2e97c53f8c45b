-- The list of bans and its file: each change is in the file, and what others have written there
-- counts. Tests ops/bans.lua.
local ban_list = require "pomelua.base.ban_list"
local bans = require "pomelua.ops.bans"
local core = require "pomelua.core"
local files = require "pomelua.base.files"
local tree = require "spec.support.tree"

local NOW = 1e9

describe("bans with a file", function()
  local dir, now, list
  local function text() return (files.read(dir .. "/bans.json")) end
  local function put(given) tree.write(dir, "bans.json", given) end

  before_each(function()
    dir, now = tree.new {}, NOW
    list = bans.new(dir, function() return now end)
    assert.is_true(list:load())
  end)
  after_each(function() tree.remove(dir) end)

  it("are in it when the call returns, and in the next list", function()
    local ban, news = list:ban { uid = "ann", seconds = "1h", reason = "spam" }
    assert.same({ uid = "ann", since = NOW, till = NOW + 3600, reason = "spam" }, ban)
    assert.same({ put = { ban }, drop = {}, changes = { ban } }, news)
    now = now + 1
    list:ban { address = "10.0.0.0/8" }
    local other = bans.new(dir, function() return now end)
    assert.is_true(other:load())
    assert.same({ ban, { address = "10.0.0.0/8", since = NOW + 1 } }, other:list())
    assert.equal(NOW + 3600, other:due())
  end)

  it("leave no file where there are none, and behind them that they were taken off", function()
    assert.same({ put = {}, drop = {}, changes = {} }, list:change())
    assert.is_nil(text())
    list:ban { uid = "ann" }
    local was, news = list:unban { uid = "ann" }
    assert.equal("ann", was.uid)
    local lifted = { uid = "ann", since = NOW + 1, till = NOW + 1 + 30 * 86400, lifted = true }
    assert.same({ put = {}, drop = { was }, changes = { lifted } }, news)
    assert.equal('{\n  "bans": [\n    {"uid": "ann", "lifted": "2001-09-09T01:46:41Z", '
      .. '"until": "2001-10-09T01:46:41Z"}\n  ]\n}\n', text())
    assert.same({}, list:list())
    assert.equal("NOENT", select(3, list:unban { uid = "ann" }))
    local other = bans.new(dir, function() return now end)
    other:load()
    assert.same({ lifted }, other:all())
    now = lifted.till
    assert.same({ put = {}, drop = {}, changes = {} }, list:expire())
    assert.equal('{\n  "bans": []\n}\n', text())
  end)

  it("tell what is unknown", function()
    local ban, message, code = list:unban { uid = "ann" }
    assert.same({ nil, 'the uid "ann" is not banned', "NOENT" }, { ban, message, code })
    ban, message, code = list:unban { address = "10.0.0.1" }
    assert.same({ nil, "the address 10.0.0.1 is not banned", "NOENT" }, { ban, message, code })
    assert.equal("INVAL", select(3, list:ban { address = "0.0.0.0/0" }))
  end)

  it("that are over leave the file with the next change, and count no more", function()
    local ann = list:ban { uid = "ann", seconds = 60 }
    now = now + 60
    assert.equal("NOENT", select(3, list:unban { uid = "ann" }))
    assert.same({ put = {}, drop = { ann }, changes = {} }, list:change())
    assert.equal('{\n  "bans": []\n}\n', text())
  end)

  it("of another process are kept", function()
    list:ban { uid = "ann" }
    local other = bans.new(dir, function() return now end)
    other:load()
    local bob = other:ban { uid = "bob" }
    local ann, news = list:ban { uid = "ann", reason = "again" }
    assert.equal(NOW + 1, ann.since) -- the newer entry, in the same second
    assert.same({ bob, ann }, news.put)
    assert.equal(2, #list:list())
    other:load()
    assert.equal("again", other.by_key["uid ann"].reason)
  end)

  it("that another process of the folder has taken off end here by the same call", function()
    list:ban { uid = "ann" }
    local other = bans.new(dir, function() return now end)
    other:load()
    assert.is_table((other:unban { uid = "ann" }))
    local was, news = list:unban { uid = "ann" }
    assert.equal("ann", was.uid)
    assert.same({ "ann" }, { news.drop[1].uid })
    assert.equal("NOENT", select(3, list:unban { uid = "ann" }))
  end)

  it("are not written over a file that cannot be read", function()
    list:ban { uid = "ann" }
    put '{"bans": [\n{"udi": "bob"}]}'
    local ban, message, code = list:ban { uid = "carl" }
    assert.is_nil(ban)
    assert.equal("IO", code)
    assert.equal(dir .. "/bans.json:2: bans[0].udi: there is no such key; did you mean uid?",
      message)
    assert.equal('{"bans": [\n{"udi": "bob"}]}', text())
    assert.equal("ann", list:list()[1].uid)
    local ok
    ok, message = bans.new(dir):load()
    assert.is_nil(ok)
    assert.matches("bans.json:2: ", message, 1, true)
  end)

  it("wait for the lock of their folder, and say who has it", function()
    local lock = assert(core.lock_folder(dir, 0))
    list.lock_ms = 20
    local ban, message, code = list:ban { uid = "ann" }
    assert.is_nil(ban)
    assert.equal("FULL", code)
    assert.equal(dir .. ": another process has locked this folder", message)
    lock:free()
    lock:free()
    assert.is_table((list:ban { uid = "ann" }))
  end)

  it("call what must be looked at under the lock, and go no further when it refuses", function()
    local ban, message, code = list:ban({ uid = "ann" }, function()
      assert.equal("FULL", select(3, core.lock_folder(dir, 0)))
      return nil, "a program runs", "BUSY"
    end)
    assert.same({ nil, "a program runs", "BUSY" }, { ban, message, code })
    assert.has_error(function() list:ban({ uid = "ann" }, function() error("no", 0) end) end, "no")
    assert.is_table((list:ban { uid = "ann" }))
  end)

  it("make their folder, and say that it cannot be made", function()
    local fresh = bans.new(dir .. "/fresh")
    assert.same({ put = {}, drop = {}, changes = {} }, fresh:change())
    assert.is_false(files.exists(dir .. "/fresh"))
    assert.is_table((fresh:ban { uid = "ann" }))
    local gone = bans.new(dir .. "/none/none")
    assert.is_true(gone:load())
    local ban, message, code = gone:ban { uid = "ann" }
    assert.same({ nil, dir .. "/none/none: No such file or directory", "IO" },
      { ban, message, code })
  end)

  it("that a person takes out of the file are taken off, and what is put in is new", function()
    list:ban { uid = "ann" }
    list:ban { uid = "bob" }
    now = now + 100
    put '{"bans": [{"uid": "bob", "reason": "other"}, {"uid": "cid"}]}'
    local news = list:change()
    assert.same({ { uid = "bob", since = NOW + 1, reason = "other" },
      { uid = "cid", since = NOW + 100 } }, news.put)
    assert.equal("ann", news.drop[1].uid)
    assert.equal(3, #news.changes)
    assert.is_true(list.by_key["uid ann"].lifted)
    assert.equal(NOW + 100, list.by_key["uid ann"].since)
    assert.matches('"uid": "ann", "lifted"', text(), 1, true)
  end)

  it("stay known when the file is gone, to other programs", function()
    list:ban { uid = "ann" }
    os.remove(dir .. "/bans.json")
    local news = list:change()
    assert.equal("ann", news.drop[1].uid)
    assert.same({}, news.changes) -- no other program loses it by that
    assert.same({}, list:all())
  end)

  it("of two lists become one: the newer entry counts, in whatever order they come", function()
    local other = bans.new(nil, function() return now end)
    list:ban { uid = "ann" }
    list:ban { uid = "bob", reason = "first" }
    other:merge(list:all())
    assert.equal(list:sum(), other:sum())
    now = now + 10
    other:unban { uid = "ann" }
    now = now - 9 -- this clock is behind, and the ban of now is known to be later
    list:ban { uid = "bob", reason = "second" }
    other:ban { uid = "cid", seconds = 60 }
    list:ban { uid = "cid", seconds = 90 } -- in the same second
    assert.are_not.equal(list:sum(), other:sum())
    local sent = other:all()
    local news = other:merge(list:all())
    assert.same({ "bob", "cid" }, { news.put[1].uid, news.put[2].uid })
    news = list:merge(sent)
    assert.equal("ann", news.drop[1].uid)
    assert.equal(list:sum(), other:sum())
    assert.same(list:list(), other:list())
    assert.equal("second", list.by_key["uid bob"].reason)
    assert.equal(NOW + 91, other.by_key["uid cid"].till)
    assert.same({ put = {}, drop = {}, changes = {} }, list:merge(other:all()))
    local again = bans.new(dir, function() return now end)
    again:load()
    assert.equal(list:sum(), again:sum())
  end)

  it("of another program count though the file cannot be written, and are in it later", function()
    list:ban { uid = "ann" }
    local lock = assert(core.lock_folder(dir, 0))
    list.lock_ms = 20
    local news, message = list:merge { { uid = "bob", since = NOW } }
    assert.equal("bob", news.put[1].uid)
    assert.matches("has locked this folder", message, 1, true)
    assert.equal(2, #list:list())
    lock:free()
    put '{"bans": [{"uid": "cid", "since": "2001-09-09T01:46:40Z"}]}'
    list:change()
    assert.equal(3, #list:list()) -- ann as well: what was not in the file was not taken out of it
    assert.matches('"bob"', text(), 1, true)
  end)
end)

describe("entries of other programs", function()
  it("are taken when they are entries", function()
    for _, bad in ipairs {
      false, 7, {}, { uid = "a" }, { uid = "a", address = "1.2.3.4", since = 1 },
      { uid = "", since = 1 }, { uid = "a", since = -1 }, { uid = "a", since = 1.5 },
      { uid = "a", since = 2 ^ 41 }, { uid = "a", since = 1, till = "x" },
      { address = "0.0.0.0/0", since = 1 }, { uid = "a", since = 1, reason = {} },
      { uid = ("x"):rep(5000), since = 1 },
    } do
      assert.is_nil(ban_list.of_wire(bad))
    end
    assert.same({ uid = "7", since = 1, till = 9, lifted = true },
      ban_list.of_wire { uid = 7, since = 1, till = 9, lifted = true, more = 1 })
  end)

  it("are newer by their time, then a ban, the longer, the greater reason", function()
    local newest = {
      { since = 2, lifted = true, till = 9 }, { since = 1, reason = "b" },
      { since = 1, reason = "a" }, { since = 1 }, { since = 1, till = 7 }, { since = 1, till = 6 },
      { since = 1, lifted = true, till = 9 }, { since = 0 },
    }
    for i = 1, #newest do
      for k = 1, #newest do
        assert.equal(i < k, ban_list.newer(newest[i], newest[k]), i .. " and " .. k)
      end
    end
  end)
end)
