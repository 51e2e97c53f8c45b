-- The words after a command: which of them is the folder of the app.
-- Tests cli/options.lua.
local command = require "pomelua.cli.command"
local commands = require "pomelua.cli.commands"
local tree = require "spec.support.tree"
local uv = require "luv"

-- Without what a command makes of the words.
local function parsed(name, words)
  local given = assert(command.parse(commands.by_name[name], words))
  given.entry = nil
  return given
end

describe("the tools' words", function()
  local base, before

  before_each(function()
    base = tree.new { ["game/app.lua"] = "", ["game/chat/app.lua"] = "", ["game/app/x.lua"] = "",
      ["game/.pomelua/x"] = "" }
    before = uv.cwd()
    assert(uv.chdir(base))
  end)
  after_each(function()
    uv.chdir(before)
    tree.remove(base)
  end)

  for text, row in pairs {
    ["list game"] = { { dir = "game" } },
    ["list -d game --counters"] = { { dir = "game", counters = true } },
    ["list --directory=game --json"] = { { dir = "game", json = true } },
    ["list anything"] = { { dir = "anything" } },
    ["stop game"] = { { dir = "game" } },
    ["stop ./game chat-1 chat-2"] = { { dir = "./game", "chat-1", "chat-2" } },
    ["restart chat-1 game/"] = { { dir = "game/", "chat-1" } },
    ["restart -d game ./x"] = { { dir = "game", "./x" } },
    ["kill . chat-1"] = { { dir = ".", "chat-1" } },
    ["stop nobody"] = { { "nobody" } },
    ["reload game app.x --dry-run"] = { { dir = "game", "app.x", dry = true } },
    ["reload -f app.x"] = { { "app.x", force = true } },
    ["console game chat-1 --pid 7"] = { { dir = "game", "chat-1", pid = "7" } },
    ["add game id=x root=./game"] = { { dir = "game", "id=x", "root=./game" } },
    ["stop -- -x"] = { { "-x" } },
    -- in the folder of the game
    ["stop chat-1"] = { { "chat-1" }, at = "game" },
    ["stop ./chat"] = { { dir = "./chat" }, at = "game" },
    ["stop -d . chat"] = { { dir = ".", "chat" }, at = "game" },
    ["reload app"] = { { "app" }, at = "game" },
  } do
    it("are understood: " .. text .. (row.at and " in " .. row.at or ""), function()
      if row.at then assert(uv.chdir(base .. "/" .. row.at)) end
      local words = {}
      for word in text:gmatch("%S+") do words[#words + 1] = word end
      local name = table.remove(words, 1)
      assert.same(row[1], parsed(name, words))
    end)
  end

  for text, row in pairs {
    ["list game other"] = { 'give one folder, not "game" and "other"' },
    ["list -d game other"] = { 'give one folder, not "game" and "other"' },
    ["stop game ./game"] = { 'give one folder, not "game" and "./game"' },
    ["stop nowhere/at"] = { "there is no folder nowhere/at" },
    ["stop --counters"] = { "unknown option --counters" },
    ["list --countres"] = { "unknown option --countres; did you mean --counters?" },
    ["list --force"] = { "unknown option --force" },
    ["list --pid"] = { "--pid needs a value" },
    ["list -d"] = { "-d needs a value" },
    ["list --json=1"] = { "--json takes no value" },
    ["stop chat"] = { '"chat" is the folder of an app, and may be the id of a server: write ./chat '
      .. "for the folder, or -d . before what belongs to the app in this one", at = "game" },
  } do
    it("are refused: " .. text, function()
      if row.at then assert(uv.chdir(base .. "/" .. row.at)) end
      local words = {}
      for word in text:gmatch("%S+") do words[#words + 1] = word end
      local given, message = command.parse(commands.by_name[table.remove(words, 1)], words)
      assert.is_nil(given)
      assert.equal(row[1], message)
    end)
  end
end)
