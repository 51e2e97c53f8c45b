-- Documents whose code blocks are a game with a spec: `pomelua test` runs it as it stands there.
local document = require "spec.support.document"
local net = require "spec.support.net"
local read = require("spec.support.files").read
local tree = require "spec.support.tree"

-- Files of these games that no block shows.
local more = {
  ["docs/tokens.md"] = { ["config/token.key"] = ("0123456789abcdef"):rep(4) .. "\n" },
}

describe("the game of", function()
  local game

  after_each(function()
    net.closeAll()
    if game then tree.remove(game) end
    game = nil
  end)

  for _, path in ipairs {
    "docs/bans.md",
    "docs/addresses.md",
    "docs/channels.md",
    "docs/cluster.md",
    "docs/components.md",
    "docs/crons.md",
    "docs/filters.md",
    "docs/http-in.md",
    "docs/logs.md",
    "docs/protobuf.md",
    "docs/tokens.md",
  } do
    it(path .. " passes its spec", function()
      local files = document.files(read(path))
      assert(files["config/servers.json"] and files["app.lua"], "the blocks are no game")
      for name, text in pairs(more[path] or {}) do files[name] = text end
      game = tree.new(files)
      local process = net.spawn(net.built("pomelua"), { "test", game }, { preload = true })
      local status = assert(process:waitExit(60000))
      assert(status == 0, process.out .. process.err)
      assert.matches("[1-9]%d* success%a* / 0 failures / 0 errors / 0 pending", process.out)
    end)
  end
end)
