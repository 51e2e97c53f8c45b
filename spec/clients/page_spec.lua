-- People in the page of the chat example, in Chromium; see page.js. Its screenshots are left in
-- build/screenshots.
local net = require "spec.support.net"
local support = require "spec.clients.support"

describe("the page of the chat", function()
  local missing = support.missing("page")
  local chat, visit
  local seen = {}

  setup(function()
    if missing then return end
    chat = support.start()
    visit = support.page(
      ("http://127.0.0.1:%d/?gate=%d"):format(chat.web, chat.gate),
      table.concat(chat.connectors, ","), net.built("screenshots"))
    -- The visit has deadlines of its own for each thing it waits for.
    assert(visit:expect("done", nil, 100000))
    seen = visit:looked()
  end)
  teardown(function()
    if visit then visit:finish() end
    if chat then chat:stop() end
    net.closeAll()
  end)

  for _, what in ipairs {
    "somebody enters",
    "others see who joins",
    "a name is taken once",
    "a name with a star is refused kindly",
    "messages reach everybody",
    "what was sent leaves the box at once",
    "everybody has a colour of their own",
    "own messages are on the right",
    "what people write is text, never HTML",
    "a private message is seen by two",
    "the page is never wider than the screen",
    "the keyboard alone is enough",
    "others see who leaves",
    "a phone that changes its network misses no line, and nobody sees it leave",
    "a line that is lost is shown, and what is written meanwhile is sent later",
    "a session that the server has ended begins again",
    "who is sent out is told why, and cannot write",
    "nothing raised an error",
  } do
    it("is such that " .. what, function()
      if missing then pending(missing) end
      support.assert_seen(seen, what)
    end)
  end
end)
