-- run/setting_files: files that a setting names are read again when they change.
local lines = require "spec.support.lines"
local setting_files = require "pomelua.run.setting_files"
local test = require "pomelua.test"
local tree = require "spec.support.tree"

describe("files that a setting names", function()
  local base, server, read, wrong

  before_each(function()
    base = tree.new {
      ["app.lua"] = 'local app = require("pomelua").createApp()\napp:start()\n',
      ["config/servers.json"] = [[{"development": {"chat": [{"id": "chat-1",
        "host": "127.0.0.1"}]}}]],
      ["a.pem"] = "a", ["b.pem"] = "b",
    }
    server = test.server { base = base, type = "chat" }
    read, wrong = 0, nil
    setting_files.add(server.inner, {
      what = "someConfig.keys", paths = { base .. "/a.pem", base .. "/b.pem" },
      read = function()
        read = read + 1
        return wrong
      end,
    })
  end)

  local function logged(text) return lines.count(server, text) end

  it("are read again within two seconds of a change, once for all of them", function()
    server:tick(5000)
    assert.equal(0, read)
    tree.write(base, "a.pem", "another")
    server:tick(600)
    tree.write(base, "b.pem", "another, too")
    server:tick(2000)
    assert.equal(1, read)
    assert.equal(1, logged "someConfig.keys: read again")
  end)

  it("leave what was read in force when they cannot be read, and say so once", function()
    wrong = "a.pem: it is broken"
    tree.write(base, "a.pem", "broken")
    server:tick(20000)
    assert.equal(1, read)
    assert.equal(1,
      logged "someConfig.keys: a.pem: it is broken; what was read before stays in force")
    wrong = nil
    tree.write(base, "a.pem", "whole again")
    server:tick(2000)
    assert.equal(2, read)
  end)

  it("are read at once by a reload, which also tries again what has failed", function()
    server:reload()
    assert.equal(0, read)
    wrong = "b.pem: there is no such file"
    os.remove(base .. "/b.pem")
    local result = server:reload()
    assert.same({ "someConfig.keys: b.pem: there is no such file; what was read before stays in "
      .. "force" }, result.warnings)
    server:reload()
    assert.equal(2, read)
    server:reload { dry = true }
    assert.equal(2, read)
    wrong = nil
    assert.same({}, server:reload().warnings)
    server:reload()
    assert.equal(3, read)
  end)
end)
