-- A client that has lost its line comes back to another frontend than before: it gets a new session
-- there, and the one that it had waits on at the first (docs/resume.md).
local pomelo = require "spec.support.pomelo"
local resume = require "spec.support.resume"

describe("a client that comes back to another frontend", function()
  local first, second

  setup(function()
    first = resume.start {
      files = {
        ["config/servers.json"] = [[{
          "connector": [
            {"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true},
            {"id": "connector-2", "host": "127.0.0.1", "clientPort": 0, "frontend": true}],
          "chat": [{"id": "chat-1", "host": "127.0.0.1"}]
        }]],
      },
    }
    second = setmetatable({ port = first.ports["connector-2"] }, { __index = first })
  end)
  after_each(pomelo.closeAll)
  teardown(function() first:stop() end)

  for _, transport in ipairs(pomelo.transports) do
    it("is not recovered there, and at its own it is, over " .. transport, function()
      local uid = "ann" .. transport
      local ann = resume.enter(first, uid, { transport = transport })
      ann:lose()
      first.ask("push", { i = 1 })
      local waiting = first.counts().resumeWaiting
      local there = setmetatable({ server = second }, { __index = ann })
      local new = resume.anew(there)
      assert.is_nil(new:who())
      assert.equal(waiting, first.counts().resumeWaiting)
      local back = resume.back(ann)
      assert.equal(1, back:line())
      assert.equal(uid, back:who())
      assert(new:request(resume.line .. "who", {}))
    end)
  end
end)
