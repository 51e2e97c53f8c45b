-- Tests cli/start.lua: its arguments, and what it makes of an app.
local command = require "pomelua.cli.command"
local start = require "pomelua.cli.start"
local tree = require "spec.support.tree"

local function parse(args) return command.parse(start.command, args) end

describe("pomelua start", function()
  it("takes a folder and options in any order", function()
    assert.same({ dir = "x", env = "staging", only = { "a", "b" }, level = "debug", json = true },
      parse {
        "--env", "staging", "x", "--only=a,b", "--log-level", "debug", "--log-json",
      })
    assert.same({ bus = "nats://a", types = { "gate", "chat" }, web = true },
      parse { "--bus", "nats://a", "--web", "--type=gate,chat" })
    assert.same({}, parse {})
    assert.same({ help = true }, parse { "--help" })
  end)

  for text, args in pairs {
    ["unknown option --foo"] = { "--foo" },
    ["--env needs a value"] = { "--env" },
    ["--only needs a value"] = { "--only", "--log-json" },
    ["--type needs the types of servers, TYPE[,TYPE...]"] = { "--type", "," },
    ["give --only or --type, not both"] = { "--type", "chat", "--only", "chat-1" },
    ["unknown option --typ; did you mean --type?"] = {
      "--typ", "chat" },
    ["--log-json takes no value"] = { "--log-json=1" },
    ["--log-level must be debug, info, warn or error, got \"loud\""] = {
      "--log-level", "loud" },
    ["give one folder, not \"a\" and \"b\""] = { "a", "b" },
    ["give one folder, not \"b\" and \"a\""] = {
      "a", "-d", "b" },
  } do
    it("refuses: " .. text, function()
      local options, message = parse(args)
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
      local run = assert(start.prepare { dir = base })
      assert.equal(3, #run.servers)
      assert.same({ "chat-1", "chat", false }, { run.servers[1].id, run.servers[1].type,
        run.servers[1].frontend })
      assert.is_true(run.servers[3].frontend)
      assert.equal(3001, run.web.port)
      assert.equal("info", run.level)
    end)

    it("those of --only", function()
      base = tree.new { ["app.lua"] = "", ["config/servers.json"] = servers }
      local run = assert(start.prepare { dir = base, only = { "chat-2" } })
      assert.equal(1, #run.servers)
      assert.equal("chat-2", run.servers[1].id)
      local _, message = start.prepare { dir = base, only = { "nobody" } }
      assert.equal('--only: config/servers.json has no server "nobody"', message)
    end)

    it("those of --type, and the web folder with --web alone", function()
      base = tree.new { ["app.lua"] = "", ["config/servers.json"] = servers,
        ["config/web.json"] = '{"port":3001}', ["web/x"] = "" }
      local run = assert(start.prepare { dir = base, types = { "chat" } })
      assert.same({ "chat-1", "chat-2" }, { run.servers[1].id, run.servers[2].id })
      assert.equal(2, #run.servers)
      assert.is_nil(run.web)
      assert.is_nil(run.bus)
      run = assert(start.prepare { dir = base, types = { "chat" }, web = true })
      assert.equal(3001, run.web.port)
      local _, message = start.prepare { dir = base, types = { "caht" } }
      assert.equal('--type: config/servers.json has no server of the type "caht"; did you mean '
        .. "chat?", message)
    end)

    it("the bus", function()
      base = tree.new { ["app.lua"] = "", ["config/servers.json"] = servers }
      local run = assert(start.prepare { dir = base, bus = "nats://a" })
      assert.same({ "nats://a:4222" }, run.bus.urls)
      local _, message = start.prepare { dir = base, bus = "a" }
      assert.matches("^%-%-bus: must be nats://host:port", message)
    end)

    it("no entry on a bus that is too long for other processes", function()
      base = tree.new { ["app.lua"] = "", ["config/servers.json"] =
        ('{"chat":[{"id":"chat-1","note":"%s"}]}'):format(("x"):rep(16000)) }
      assert(start.prepare { dir = base })
      local _, message = start.prepare { dir = base, bus = "nats://a" }
      assert.matches("^config/servers.json: chat%-1: the entry is 160%d%d bytes long; on a bus",
        message)
    end)

    it("nothing without app.lua", function()
      base = tree.new { ["config/servers.json"] = servers }
      local run, message = start.prepare { dir = base }
      assert.is_nil(run)
      assert.truthy(message:find("there is no app.lua", 1, true))
    end)
  end)
end)
