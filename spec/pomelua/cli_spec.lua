local cli = require "pomelua.cli"
local tree = require "spec.support.tree"

describe("pomelua start", function()
  it("takes a folder and options in any order", function()
    assert.same({ dir = "x", env = "staging", only = { "a", "b" }, level = "debug", json = true },
      cli.parse_start {
        "--env", "staging", "x", "--only=a,b", "--log-level", "debug", "--log-json",
      })
    assert.same({}, cli.parse_start {})
    assert.same({ help = true }, cli.parse_start { "--help" })
  end)

  for text, args in pairs {
    ["start: unknown option --foo (see: pomelua start --help)"] = { "--foo" },
    ["start: --env needs a value (see: pomelua start --help)"] = { "--env" },
    ["start: --only needs a value (see: pomelua start --help)"] = { "--only", "--log-json" },
    ["start: --log-json takes no value (see: pomelua start --help)"] = { "--log-json=1" },
    ["start: --log-level must be debug, info, warn or error, got \"loud\""] = {
      "--log-level", "loud" },
    ["start: give one folder, not \"a\" and \"b\" (see: pomelua start --help)"] = { "a", "b" },
    ["start: give one folder, not \"b\" and \"a\" (see: pomelua start --help)"] = {
      "a", "-d", "b" },
  } do
    it("refuses: " .. text, function()
      local options, message = cli.parse_start(args)
      assert.is_nil(options)
      assert.equal(text, message)
    end)
  end

  describe("prepares", function()
    local base
    after_each(function() tree.remove(base) end)

    local servers = '{"development":{"connector":[{"id":"c-1","clientPort":1,"frontend":true}],'
      .. '"chat":[{"id":"chat-1"},{"id":"chat-2"}]}}'

    it("every server, and the web folder", function()
      base = tree.new { ["app.lua"] = "", ["config/servers.json"] = servers,
        ["config/web.json"] = '{"port":3001}', ["web/x"] = "" }
      local run = assert(cli.prepare { dir = base })
      assert.equal(3, #run.servers)
      assert.same({ "chat-1", "chat", false }, { run.servers[1].id, run.servers[1].type,
        run.servers[1].frontend })
      assert.is_true(run.servers[3].frontend)
      assert.equal(3001, run.web.port)
      assert.equal("info", run.level)
    end)

    it("those of --only", function()
      base = tree.new { ["app.lua"] = "", ["config/servers.json"] = servers }
      local run = assert(cli.prepare { dir = base, only = { "chat-2" } })
      assert.equal(1, #run.servers)
      assert.equal("chat-2", run.servers[1].id)
      local _, message = cli.prepare { dir = base, only = { "nobody" } }
      assert.equal('--only: config/servers.json has no server "nobody"', message)
    end)

    it("nothing without app.lua", function()
      base = tree.new { ["config/servers.json"] = servers }
      local run, message = cli.prepare { dir = base }
      assert.is_nil(run)
      assert.truthy(message:find("there is no app.lua", 1, true))
    end)
  end)
end)
