-- The vectors in docs/protocol.md (protocol 25.1, protocol 25.2, protocol 25.3) are what
-- Pomelo's own modules write: the document is true of Pomelo.
-- spec/house/protocol_spec.lua runs them through ours.
it("Pomelo's modules write the vectors of docs/protocol.md", function()
  local pipe = assert(io.popen("node spec/clients/vectors.js docs/protocol.md 2>&1"))
  local said = pipe:read("*a")
  pipe:close()
  assert.equal("49 vectors\n", said)
end)
