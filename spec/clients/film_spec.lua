-- The moving picture of the README can be recorded: tools/film.sh, at a quick pace.
local cjson = require "cjson"
local net = require "spec.support.net"
local support = require "spec.clients.support"
local uv = require "luv"

describe("the picture of a rule that changes", function()
  local missing = support.missing("page")
  teardown(net.closeAll)

  it("is recorded while two people play, and nobody is disconnected", function()
    if missing then pending(missing) end
    local out = os.tmpname()
    local film = net.spawn("env", {
      "BUILD=" .. (os.getenv("POMELUA_BUILD") or "build"), "FILM_PACE=0.1", "tools/film.sh", out,
    })
    local status = assert(film:waitExit(60000))
    local done = status == 0 and cjson.decode(film.out)
    film:close()
    assert(done, film.out .. film.err)
    assert.equal("done", done.event)
    assert.same({ 2, 0 }, { done.opened, done.closed })
    assert.is_true(done.frames > 10, done.frames .. " frames")
    assert.equal(done.bytes, uv.fs_stat(out).size)
    os.remove(out)
  end)
end)
