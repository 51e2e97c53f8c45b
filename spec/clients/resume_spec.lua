-- The client of the chat's page whose line is lost, without a server; see resume-alone.js.
local net = require "spec.support.net"
local support = require "spec.clients.support"

describe("the page's client", function()
  local missing = support.missing()
  local seen = {}

  setup(function()
    if missing then return end
    local run = support.script "resume-alone.js"
    assert(run:expect("done", nil, support.patience))
    seen = run:looked()
    run:finish()
  end)
  teardown(net.closeAll)

  for _, what in ipairs {
    "it asks for a session that can be resumed, and takes it as it comes",
    "it does not ask when it is told so, and where it cannot",
    "with a server that does not resume all is as it was",
    "what both sides missed comes once, in order, and requests go on",
    "it is cut again and again without a gap and without a second time",
    "the first attempt has no delay, also when the line was silent",
    "a line that lived for a moment is replaced after the usual delay",
    "the network that is there again, or another one, makes it connect at once",
    "a session that the server does not know any more is begun again",
    "after the grace requests are rejected; it still asks for its session",
    "what waits for the line is bounded",
    "a request whose time is over before it was sent is not sent",
    "a session that misses what is not kept any more is given up, and ended",
    "a server that resumes what nobody asked for is not asked again at once",
    "as much may be sent as one likes, as long as it arrives",
    "a line that is lost in the login is one that is lost: the login goes on",
    "an open() whose line does not come back in the login has failed",
    "a login that fails ends the session",
    "disconnect() is final, whenever it comes",
    "a kick, a stop and a broken message end the session",
    "who refuses the handshake has not ended the session",
    "an answer that is lost does no harm",
    "it goes back to the server of its session, and to another one when that is gone",
  } do
    it("is such that " .. what, function()
      if missing then pending(missing) end
      support.assert_seen(seen, what)
    end)
  end
end)
