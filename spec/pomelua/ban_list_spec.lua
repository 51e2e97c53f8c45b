-- base/ban_list: bans as values, and the text of their file.
local ban_list = require "pomelua.base.ban_list"

local NOW = 1e9

describe("a ban", function()
  it("is of a uid, as text, or of a network, written in one way", function()
    assert.same({ uid = "7", since = NOW }, ban_list.new({ uid = 7 }, NOW + 0.5))
    assert.same({ address = "2001:db8::/32", since = NOW, till = NOW + 60, reason = "spam" },
      ban_list.new({ address = "2001:0DB8::/32", seconds = "1m", reason = "spam" }, NOW))
    assert.same("10.0.0.1", ban_list.new({ address = "::ffff:10.0.0.1" }, NOW).address)
  end)

  it("is refused with what is wrong", function()
    local function says(text, given)
      local ban, message = ban_list.new(given, NOW)
      assert.is_nil(ban)
      assert.matches(text, message, 1, true)
    end
    says("a uid is a text or a number, got an empty text", { uid = "" })
    says("a uid has at most 4096 bytes", { uid = ("x"):rep(4097) })
    says("a uid is UTF-8 text", { uid = "\255" })
    says("a uid is UTF-8 text", { uid = "a\0b" })
    says("::/0 is everybody", { address = "::/0" })
    says("an address is a text", { address = 7 })
    says("the time of a ban must be a time as", { uid = "ann", seconds = "x" })
    says("a reason is a text of at most 512 bytes", { uid = "ann", reason = "a\nb" })
  end)

  it("is shown without what a terminal would obey", function()
    assert.equal("ann@x.y-1", ban_list.name { uid = "ann@x.y-1" })
    assert.equal('"a b"', ban_list.name { uid = "a b" })
    assert.equal('the uid "\\u001b[2J\\u007f\\u009b"', ban_list.who {
      uid = "\27[2J\127\194\155" })
    assert.equal("until it is taken off, reason: \\u009bx",
      ban_list.told({ reason = "\194\155x" }, NOW))
  end)

  it("of a word is told from a uid by how it reads", function()
    for _, word in ipairs { "10.0.0.1", "10.0.0.0/8", "::1", "2001:db8::/32", "10.0.0.5/8",
      "10.0.0.0/99" } do
      assert.is_true(ban_list.is_address(word), word)
    end
    for _, word in ipairs { "ann", "7", "10.0.0", "10.0.0.1.2", "a/8", "10.0.0.1/x", "" } do
      assert.is_false(ban_list.is_address(word), word)
    end
  end)
end)

describe("the file of bans", function()
  it("is what was written, one ban in a line", function()
    local list = {
      { uid = "ann \"x\"\n", since = NOW, till = NOW + 86400, reason = "spam" },
      { address = "203.0.113.0/24", since = NOW + 1 },
    }
    local text = ban_list.encode(list)
    assert.equal('{\n  "bans": [\n    {"uid": "ann \\"x\\"\\n", "since": "2001-09-09T01:46:40Z", '
      .. '"until": "2001-09-10T01:46:40Z", "reason": "spam"},\n'
      .. '    {"address": "203.0.113.0/24", "since": "2001-09-09T01:46:41Z"}\n  ]\n}\n', text)
    assert.same(list, ban_list.decode("bans.json", text))
    assert.same({}, ban_list.decode("bans.json", ban_list.encode {}))
  end)

  it("takes what a person writes", function()
    assert.same({ { uid = "7", since = 0 }, { address = "::1", since = 951782400 } },
      ban_list.decode("bans.json", [[{"bans": [{"uid": 7},
        {"address": "0:0::1", "since": "2000-02-29T00:00:00Z"}]}]]))
  end)

  it("is refused with file, line and place", function()
    for _, row in ipairs {
      { "", "bans.json: the file is empty" },
      { "[]", 'bans.json:1: must be an object with an array "bans"' },
      { '{"bans":\n{"a": 1}}', 'bans.json:1: bans: must be an object with an array "bans"' },
      { '{"bans": [],\n"ban": []}', "bans.json:2: ban: there is no such key" },
      { '{"bans": [\n"ann"]}', 'bans.json:2: bans[0]: must be an object, got "ann"' },
      { '{"bans": [\n{}]}', "bans.json:2: bans[0]: must have a uid or an address, and not both" },
      { '{"bans": [{"uid": "a", "address": "::1"}]}', "and not both" },
      { '{"bans": [{"uid": "a"},\n{"udi": "b"}]}',
        "bans.json:2: bans[1].udi: there is no such key; did you mean uid?" },
      { '{"bans": [{"uid": "a",\n"until": "tomorrow"}]}',
        'bans.json:2: bans[0].until: must be a time as "2026-11-28T16:00:00Z", in UTC, got '
          .. '"tomorrow"' },
      { '{"bans": [{"uid": "a", "since": "2026-02-30T00:00:00Z"}]}', "bans[0].since: must be" },
      { '{"bans": [{"uid": "a", "since": 7}]}', "bans[0].since: must be" },
      { '{"bans": [{"uid": "a", "lifted": true}]}', "bans[0].lifted: must be" },
      { '{"bans": [{"uid": "a", "lifted": "2026-02-20T00:00:00Z", "reason": "x"}]}',
        "bans[0].reason: an entry with lifted is no ban" },
      { '{"bans": [{"address": "10.0.0.1/8"}]}', "bans.json:1: bans[0].address: " },
      { '{"bans": [{"uid": "7"},\n{"uid": 7}]}',
        'bans.json:2: bans[1]: the uid "7" has its entry in bans[0] already' },
      { '{"bans": [{"uid": "a"},]}', "bans.json:1: the comma before ] must go" },
      { '{"bans": [], "bans": []}', '"bans" occurs twice' },
    } do
      local list, message = ban_list.decode("bans.json", row[1])
      assert.is_nil(list)
      assert.matches(row[2], message, 1, true)
    end
  end)
end)
