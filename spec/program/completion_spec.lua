-- What bash completes behind `pomelua`. Tests tools/completion.lua and tools/completion.bash by the
-- script that `make` writes.
local app = require "spec.support.app"
local commands = require "pomelua.cli.commands"
local files = require "pomelua.base.files"
local net = require "spec.support.net"
local tree = require "spec.support.tree"

local SERVERS = [[{
  "development": {
    "connector": [{"id": "connector-1", "tags": ["id", "x"], "clientPort": 3010}],
    "chat": [{"id": "chat-1", "note": "a \" { [ b"}, {"id": "chat-2"}]
  },
  "my staging": {"chat": [{"id": "chat-9"}]}
}]]

-- The last word is the one that is completed. Without what the machine has set up.
local DRIVER = [[
source "$1"; cd "$2"; shift 2
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_pomelua
printf '%s\n' "${COMPREPLY[@]}" | sort
]]

describe("bash completion", function()
  local base, script, program

  setup(function()
    program = files.absolute(net.built("pomelua"))
    script = program:match("^(.*)/") .. "/man/pomelua.bash"
    base = tree.new {
      ["my game/app.lua"] = "", ["my game/config/servers.json"] = SERVERS,
      ["my game/config/databases.json"] = '{"development": {"main": {}, "log": {}}}',
      ["plain/app.lua"] = "", ["plain/config/servers.json"] = '{"chat": [{"id": "c-1"}]}',
      ["plain/config/production/servers.json"] = "{}",
      ["a=b/app.lua"] = "", ["a=b/config/servers.json"] = '{"chat": [{"id": "c-2"}]}',
      ["odd/app.lua"] = "", ["odd/$(touch hit)/app.lua"] = "", ["odd/it's/app.lua"] = "",
      ["odd/config/servers.json"] = [[{"chat": [{"id": "`touch hit`"}, {"id": "$(touch hit)"},
        {"id": "it's"}, {"id": "say \"hi\""}, {"id": "one"}]}]],
      ["bots.lua"] = "", ["two words.lua"] = "", ["note.txt"] = "", ["empty/x"] = "",
    }
  end)
  teardown(function()
    net.closeAll()
    tree.remove(base)
  end)

  local function complete(dir, ...)
    local args = { "--norc", "--noprofile", "-c", DRIVER, "bash", script, dir, program, ... }
    local process = net.spawn("/bin/bash", args,
      { env = { STATE_DIRECTORY = "", RUNTIME_DIRECTORY = "" } })
    assert.equal(0, (process:waitExit(app.patience)))
    assert.equal("", process.err)
    return (process.out:gsub("\n+$", ""):gsub("\n", "|"))
  end

  it("knows every command, and each of its options", function()
    local names = { "help" }
    for _, entry in ipairs(commands.list) do names[#names + 1] = entry.name end
    table.sort(names)
    assert.equal(table.concat(names, "|"), complete(base, ""))
    for _, entry in ipairs(commands.list) do
      local options = {}
      for _, row in ipairs(entry.options) do
        for _, name in ipairs(row) do options[#options + 1] = name end
      end
      local got = "|" .. complete(base, entry.name, "-") .. "|"
      for _, name in ipairs(options) do
        assert(got:find("|" .. name .. "|", 1, true), entry.name .. " " .. name)
      end
      assert.equal(#options, select(2, got:gsub("|", "")) - 1, entry.name)
    end
  end)

  for _, row in ipairs {
    { { "st" }, "start|stop" },
    { { "help", "ba" }, "backup|ban|bans" },
    { { "help", "ban", "x" }, "" },
    { { "--v" }, "--version" },
    { { "list", "--c" }, "--cluster|--counters" },
    { { "start", "--log-level", "" }, "debug|error|info|warn" },
    { { "start", "--log-level", "=" }, "debug|error|info|warn" },
    { { "start", "--log-level", "=", "wa" }, "warn" },
    { { "start", "m" }, "my game" },
    { { "start", '"my ' }, "my game" },
    { { "start", "-d", "my\\ g" }, "my game" },
    { { "start", "-d", "my\\ game", "--env", "" }, "development|my\\ staging" },
    { { "start", "my\\ game", "--env", '"my' }, "my staging" },
    { { "start", "'my game'", "--env", "=", "dev" }, "development" },
    { { "start", "plain", "--env", "" }, "production" },
    { { "start", "--env", "" }, "development|production" },
    { { "start", "my\\ game", "--only", "" }, "chat-1|chat-2|chat-9|connector-1" },
    { { "start", "my\\ game", "--only", "chat-1,co" }, "chat-1,connector-1" },
    { { "start", "my\\ game", "--type", "" }, "chat|connector" },
    { { "start", "plain", "--type", "" }, "chat" },
    { { "migrate", "-d", "my\\ game", "--database", "" }, "log|main" },
    { { "restart", "-d", "plain", "" }, "c-1" },
    { { "restart", "my\\ game", "chat-" }, "chat-1|chat-2|chat-9" },
    { { "restart", "pl" }, "plain/" },
    { { "restart", "m" }, "my\\ game/" },
    { { "run", "" }, "a=b|bots.lua|empty|my game|odd|plain|two words.lua" },
    { { "restart", "-d", "a=b", "" }, "c-2" }, -- for awk that would be a variable
    { { "run", "bots.lua", "n" }, "note.txt" },
    { { "run", "bots.lua", "--" }, "" },
    { { "dict", "--dict", "n" }, "note.txt" },
    { { "test", "--jit", "" }, "off|on" },
    { { "test", "--", "" }, "" },
    { { "bench", "--mode", "" }, "echo|fan|idle" },
    { { "token", "--sub", "" }, "" },
    { { "online", "-" },
      "--bus|--cluster|--directory|--env|--help|--json|--pid|--state|-d|-h|-i|-t" },
  } do
    it(("offers %q behind %s"):format(row[2], table.concat(row[1], " ")), function()
      assert.equal(row[2], complete(base, unpack(row[1])))
    end)
  end

  -- What is offered is put into the command line, and bash would run $(...) in it: not behind a
  -- backslash, but between double quotes.
  for word, offered in pairs {
    [""] = { [[\$\(touch\ hit\)|\`touch\ hit\`|it\'s|one|say\ \"hi\"]],
      [[\$\(touch\ hit\)/|it\'s/]] },
    ['"'] = { "it's|one", "it's/" },
    ["'"] = { [[$(touch hit)|`touch hit`|one|say "hi"]], "$(touch hit)/" },
  } do
    it(("offers behind %q no name that bash would run"):format(word), function()
      assert.equal(offered[1], complete(base, "restart", "-d", "odd", word))
      local folders = {}
      for one in complete(base .. "/odd", "restart", word):gmatch("[^|]+/") do
        folders[#folders + 1] = one
      end
      assert.equal(offered[2], table.concat(folders, "|"))
    end)
  end

  it("runs nothing of what stands in the line, or in names", function()
    for _, word in ipairs { "$(touch hit)", "`touch hit`", "'$(touch hit)", '"$(touch hit)',
      "$(touch hit)/", '"`touch hit`/', "odd/$(touch hit)" } do
      for _, args in ipairs { { "start", word }, { "stop", word }, { "start", "-d", word },
        { "start", "-d", word, "--env", "" }, { "list", "--state", word, "-d", word, "" },
        { "stop", "--state", word, "-d", "odd", "" } } do
        complete(base, unpack(args))
      end
    end
    assert.is_false(files.exists(base .. "/hit"))
    assert.is_false(files.exists(base .. "/odd/hit"))
  end)

  it("offers the servers that run, whatever the file says", function()
    local server = app.start {
      ["app.lua"] = 'require("pomelua").createApp():start()\n',
      ["config/servers.json"] = '{"chat": [{"id": "chat-1"}]}',
    }
    local add = net.spawn(program, { "add", server.dir, "id=chat-7", "serverType=chat" })
    assert.equal(0, (add:waitExit(app.patience)))
    assert.equal("chat-1|chat-7", complete(server.dir, "stop", ""))
    assert.equal("chat-7", complete(base, "stop", "-d", server.dir, "chat-7"))
    server:stop()
  end)
end)
