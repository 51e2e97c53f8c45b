-- Errors about settings name the line of the game. Tests app/setting_places.lua.
local test = require "pomelua.test"
local tree = require "spec.support.tree"

describe("an error about a setting", function()
  local base
  after_each(function()
    test.closeAll()
    tree.remove(base)
  end)

  local function start(code, more)
    local all = { ["app.lua"] = code, ["config/servers.json"] = '{"chat":[{"id":"chat-1"}]}' }
    for path, text in pairs(more or {}) do all[path] = text end
    base = tree.new(all)
    local _, message = pcall(test.server, { base = base, type = "chat" })
    return message
  end

  it("names the line of its key", function()
    assert.matches("app.lua:5: serverConfig.timout: there is no such setting; did you mean",
      start [[
        local app = require("pomelua").createApp()
        app:set("serverConfig", {
          stopGrace = 10,
          -- ms
          timout = 10,
        })
        app:start()
      ]], 1, true)
  end)

  it("names the line of a path that leads nowhere", function()
    assert.matches("app.lua:2: protobufConfig.serverProtos: there is no file conf/s.json", start [[
      local app = require("pomelua").createApp()
      app:set("protobufConfig", { serverProtos = "conf/s.json" })
      app:start()
    ]], 1, true)
  end)

  it("names the file that sets the group, the last time that counts", function()
    assert.matches('app/limits.lua:2: proxyConfig.routerType: must be "uid"', start([[
      local app = require("pomelua").createApp()
      app:set("proxyConfig", { routerType = "rr" })
      require "app.limits" (app)
      app:start()
    ]], { ["app/limits.lua"] = 'return function(app)\n  app:set("proxyConfig",'
      .. ' { ["router" .. "Type"] = "x" })\nend\n' }), 1, true)
    tree.remove(base)
    assert.matches("app.lua:2: channelConfig: must be a table, got true", start [[
      local app = require("pomelua").createApp()
      app:set("channelConfig", true)
      app:start()
    ]], 1, true)
  end)
end)
