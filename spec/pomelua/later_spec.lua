local app = require "spec.support.app"
local later = require "pomelua.base.later"
local net = require "spec.support.net"

describe("a module that is loaded later", function()
  it("is loaded once, when it is used first", function()
    local loads = 0
    package.preload["spec.later"] = function()
      loads = loads + 1
      return { twice = function(n) return 2 * n end }
    end
    local module = later "spec.later"
    assert.equal(0, loads)
    assert.equal(6, module.twice(3))
    assert.is_nil(module.nothing)
    assert.equal(1, loads)
    package.preload["spec.later"], package.loaded["spec.later"] = nil, nil
  end)

  it("of the commands are those that --help does without", function()
    local process = net.spawn("luajit", { "-e", [[
      package.path = "lua/?.lua;lua/?/init.lua;" .. package.path
      package.cpath = (os.getenv "POMELUA_BUILD" or "build") .. "/lib/?.so;" .. package.cpath
      require("pomelua.cli").main { "--help" }
      for _, name in ipairs { "pomelua.cli.script", "pomelua.cli.checks", "pomelua.ops.control",
        "pomelua.client" } do
        print(name, package.loaded[name])
      end]] }, { preload = true })
    assert.equal(0, (process:waitExit(app.patience)), process.err)
    local text = process.out
    assert.matches("\npomelua.cli.script\tnil\npomelua.cli.checks\tnil\npomelua.ops.control\tnil\n"
      .. "pomelua.client\tnil\n$", text)
  end)
end)
