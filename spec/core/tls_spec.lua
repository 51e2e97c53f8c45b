-- node:certificates and node:useCertificates.
local certs = require "spec.support.certs"
local core = require "pomelua.core"
local tree = require "spec.support.tree"

describe("certificates of a node", function()
  local dir, node

  setup(function()
    dir = tree.new {}
    certs.make(dir, "a")
    certs.make(dir, "b", { host = "b.example.org" })
  end)
  teardown(function() tree.remove(dir) end)
  before_each(function()
    node = core.node { id = "connector-1", type = "connector", frontend = true }
  end)
  after_each(function() node:close() end)

  local function files(given)
    local all = { base = dir, setting = "s", cert = "a.crt", key = "a.key" }
    for key, value in pairs(given or {}) do all[key] = value end
    return all
  end

  it("are read from files, and used", function()
    local found = assert(node:certificates(files {
      chain = { "b.crt" }, strict = true,
      names = { { name = "b.example.org", setting = "s.b", cert = "b.crt", key = "b.key" } },
    }))
    assert.equal("", found:notes())
    local ends, file = found:ends()
    assert(math.abs(ends - os.time() - 30 * 86400) < 3600)
    assert.equal("a.crt", file)
    node:useCertificates(found, true)
    node:useCertificates(assert(node:certificates(files())), false)
  end)

  it("come with notes for the operator", function()
    local found = assert(node:certificates(files {
      names = { { name = "c.org", setting = "s.c", cert = "b.crt", key = "b.key" } },
    }))
    assert.equal("s.c.cert: b.crt: the certificate is not for the name c.org", found:notes())
  end)

  it("are refused with setting and file", function()
    local none, message, name = node:certificates(files { key = "b.key" })
    assert.is_nil(none)
    assert.matches("^s%.key: b%.key: this key does not belong to the certificate in", message)
    assert.equal("INVAL", name)
  end)

  it("raise on what is no description of files", function()
    for _, wrong in ipairs { false, {}, files { cert = 7 }, files { cert = false },
      files { key = "a\0b" }, files { chain = { 7 } }, files { names = { "b" } },
      files { names = { { name = "b" } } },
      files { chain = { "1", "2", "3", "4", "5", "6", "7", "8", "9" } } } do
      assert.is_false((pcall(node.certificates, node, wrong)))
    end
    assert.is_false((pcall(node.useCertificates, node, {}, true)))
    assert.is_false((pcall(node.useCertificates, node, node, true)))
  end)
end)
