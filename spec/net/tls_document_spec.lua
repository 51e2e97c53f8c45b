-- docs/tls.md: its first chapter is done as it stands there.
local app = require "spec.support.app"
local document = require "spec.support.document"
local net = require "spec.support.net"
local read = require("spec.support.files").read
local uv = require "luv"

describe("the game of docs/tls.md", function()
  it("speaks TLS with the certificate that was made for it", function()
    local text = read "docs/tls.md"
    local files = document.files(text)
    local make = assert(text:match("\n```sh\n(.-)```\n"))
    local server = app.start(files, { prepare = function(dir)
      assert(os.execute(("cd '%s' && (%s) 2>/dev/null"):format(dir, make)) == 0)
    end })
    local program = net.built("pomelua")
    if program:sub(1, 1) ~= "/" then program = uv.cwd() .. "/" .. program end
    local p = net.spawn(program, { "run", server.dir .. "/visit.lua",
      tostring(server.ports["connector-1"]) }, { cwd = server.dir })
    local status = assert(p:waitExit(20000))
    assert.same({ 0, "hello ann\n", "" }, { status, p.out, p.err })
    server:stop()
  end)
end)
