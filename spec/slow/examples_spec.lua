-- The examples as one process per server over a broker: what their pages do in Chromium is what
-- they do in one process (spec/clients/page_spec, spec/clients/arena_spec).
-- It measures nothing: another one may run beside it.
local net = require "spec.support.net"
local support = require "spec.clients.support"

describe("as one process per server", function()
  local missing = support.missing("page")
  local example, visit

  after_each(function()
    if visit then visit:finish() end
    if example then example:stop() end
    example, visit = nil, nil
    net.closeAll()
  end)

  -- Each thing that the visit looked at was as it should be.
  local function all_seen()
    assert(visit:expect("done", nil, 100000))
    local seen, n = visit:looked(), 0
    for what in pairs(seen) do
      n = n + 1
      support.assert_seen(seen, what)
    end
    assert.is_true(n > 5)
  end

  it("the chat serves its page", function()
    if missing then return pending(missing) end
    example = support.start(nil, { cluster = true })
    visit = support.page(
      ("http://127.0.0.1:%d/?gate=%d"):format(example.web, example.gate),
      table.concat(example.connectors, ","), net.built("screenshots"))
    all_seen()
  end)

  it("the arena serves its page", function()
    if missing then return pending(missing) end
    example = support.start_arena(true)
    visit = support.script("arena.js",
      ("http://127.0.0.1:%d/?port=%d"):format(example.web, example.port), net.built("screenshots"))
    all_seen()
  end)
end)
