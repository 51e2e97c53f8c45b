-- The client of the chat's page by itself, without a server; see ours-alone.js.
local net = require "spec.support.net"
local support = require "spec.clients.support"

describe("the page's client", function()
  local missing = support.missing()
  local seen = {}

  setup(function()
    if missing then return end
    local run = support.script "ours-alone.js"
    assert(run:expect("done", nil, support.patience))
    seen = run:looked()
    run:finish()
  end)
  teardown(net.closeAll)

  for _, what in ipairs {
    "disconnect() in any of its events is obeyed",
    'open() in "disconnect" opens, once',
    "options that are undefined or null are left out",
    "an option that makes no sense is a TypeError that names it",
    "no limit is 0 or Infinity",
    "what waits when the kick comes is rejected with KICKED",
    "a kick during the login is a KICKED of open()",
    "a server that goes away (1001) is tried again, after a delay that varies",
    "a message that is no JSON value is refused with its route",
    "empty definitions of protobuf are no protobuf",
  } do
    it("is such that " .. what, function()
      if missing then pending(missing) end
      support.assert_seen(seen, what)
    end)
  end
end)
