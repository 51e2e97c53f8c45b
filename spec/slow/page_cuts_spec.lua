-- The page's client over lines that are cut at random bytes, in the chat; see spec/clients/cuts.js.
-- It measures nothing: another one may run beside it.
local net = require "spec.support.net"
local support = require "spec.clients.support"

describe("two people of the chat whose lines are cut hundreds of times", function()
  local missing = support.missing()
  local chat

  setup(function() if not missing then chat = support.start() end end)
  teardown(function()
    if chat then chat:stop() end
    net.closeAll()
  end)

  it("have every line once and in order, and are never seen to leave", function()
    if missing then pending(missing) end
    local run = support.script("cuts.js", chat.connectors[1], "150")
    local done, why = run:expect("done", nil, 100000)
    run:finish()
    assert(done, why)
    assert.equal(300, done.cuts)
    assert.is_true(done.resumed > 150 and done.lines > 300, done.resumed .. " " .. done.lines)
  end)
end)
