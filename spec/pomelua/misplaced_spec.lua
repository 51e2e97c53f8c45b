-- Files that look as if the framework read them.
local misplaced = require "pomelua.config.misplaced"
local tree = require "spec.support.tree"

describe("a file in the wrong place", function()
  local base
  after_each(function() tree.remove(base) end)

  local function told(path)
    base = tree.new { [path] = "return {}", ["app/servers/room/handler/roomHandler.lua"] = "" }
    return misplaced.look(base)
  end

  for path, text in pairs {
    ["app/servers/chat/handlers/chatHandler.lua"] =
      "app/servers/chat/handlers: the files in it are not loaded; "
      .. "did you mean app/servers/chat/handler?",
    ["app/servers/room/Handler/otherHandler.lua"] = "did you mean app/servers/room/handler?",
    ["app/servers/chat/remotes/a.lua"] = "did you mean app/servers/chat/remote?",
    ["app/servers/chat/chatHandler.lua"] =
      "it is not loaded there; put it into app/servers/chat/handler",
    ["app/servers/chat/chatRemote.lua"] =
      "it is not loaded there; put it into app/servers/chat/remote",
    ["app/servers/chat/handler/sub/xHandler.lua"] =
      "app/servers/chat/handler/sub/xHandler.lua: it is not loaded there",
    ["app/servers/chat/handler/chatHandler.js"] = "this is JavaScript",
    ["app/servers/chat/lifecyle.lua"] = "did you mean lifecycle.lua?",
    ["app/servers/chat/Lifecycle.lua"] = "did you mean lifecycle.lua?",
    ["app/servers/chat.lua"] = "handlers lie in app/servers/<type>/handler",
    ["app/server/chat/handler/chatHandler.lua"] = "did you mean app/servers?",
    ["config/Web.json"] = "config/Web.json: nothing reads it; did you mean config/web.json?",
    ["config/log4j.json"] =
      "config/log4j.json: nothing reads it; did you mean config/log4js.json?",
    ["config/serverProto.json"] =
      "config/serverProto.json: nothing reads it; did you mean config/serverProtos.json?",
  } do
    it("is told of: " .. path, function()
      local texts = told(path)
      assert.equal(1, #texts)
      assert.truthy(texts[1]:find(text, 1, true), texts[1])
    end)
  end

  for _, path in ipairs {
    "app/servers/chat/handler/a.lua", "app/servers/chat/lifecycle.lua", "app/util/a.lua",
    "app/servers/chat/domain/room.lua", "app/servers/chat/rules.lua", "app/consts.lua",
    "app/servers/chat/handler/sub/rules.lua", "config/servers.json", "config/adminServer.json",
    "config/data/items.json", "config/foo.json", "config/serverProtos.json",
  } do
    it("is not " .. path, function() assert.same({}, told(path)) end)
  end
end)
