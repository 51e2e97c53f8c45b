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
    "it connects by TLS when its page came by HTTPS",
    "an option that makes no sense is a TypeError that names it",
    "no limit is 0 or Infinity",
    "what waits when the kick comes is rejected with KICKED",
    "a kick during the login is a KICKED of open()",
    "a server that goes away (1001) is tried again, after a delay that varies",
    "a client that is told to move (1001, move) connects again within a second",
    "a function is asked where to connect to for each connection",
    "disconnect() while it is asked where to connect to is obeyed",
    "a message that is no JSON value is refused with its route",
    "it speaks the protobuf and the dictionary that it is given",
    "what it was given it keeps for the next connection, by address",
    "a store that cannot be read or written does no harm",
    "empty definitions of protobuf are no protobuf",
    "a token is sent with each handshake",
    "a function is asked for a new token before the old one expires",
    "a new token that is refused is an error, and the connection stays",
    "a connection whose token has expired comes back with another one",
    "without a token there is no connection",
  } do
    it("is such that " .. what, function()
      if missing then pending(missing) end
      support.assert_seen(seen, what)
    end)
  end
end)
