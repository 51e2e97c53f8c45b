-- A real HTTPS server for a spec, which behaves as the path of a request says: slow, cut, endless,
-- redirecting, lying about lengths (see https_server.js). It has a certificate that its ca trusts,
-- one of another host, one that has expired, and a port without TLS.
--
--   local https = require "spec.support.https"
--   local service = https.start()
--   service.url .. "/echo"            https://localhost:PORT/echo
--   service.other, service.expired, service.plain
--   service.ca                        the file of the certificates that are to be trusted
--   https.closeAll()    in teardown: before net.closeAll, which ends the processes too
local cjson = require "cjson"
local certs = require "spec.support.certs"
local net = require "spec.support.net"
local tree = require "spec.support.tree"

local https = { patience = 20000 }

local Service = {}
Service.__index = Service

local open = {}

local function join(dir, names)
  local texts = {}
  for i, name in ipairs(names) do
    local file = assert(io.open(dir .. "/" .. name .. ".crt"))
    texts[i] = file:read("*a")
    file:close()
  end
  return table.concat(texts)
end

---Starts one and waits until it takes connections.
---@return table service
function https.start()
  local self = setmetatable({ dir = tree.new {} }, Service)
  certs.make(self.dir, "good")
  certs.make(self.dir, "other", { host = "elsewhere.example" })
  certs.make(self.dir, "expired", { expired = true })
  local args = {}
  args[1] = "spec/support/https_server.js"
  for _, name in ipairs { "good", "other", "expired" } do
    args[#args + 1] = ("%s/%s.crt"):format(self.dir, name)
    args[#args + 1] = ("%s/%s.key"):format(self.dir, name)
  end
  tree.write(self.dir, "ca.crt", join(self.dir, { "good", "other", "expired" }))
  self.ca = self.dir .. "/ca.crt"
  self.process = net.spawn("node", args)
  local line = assert(self.process:waitLine("^(%[.*%])$", https.patience))
  local ports = cjson.decode(line)
  self.port = ports[1]
  self.url = "https://localhost:" .. ports[1]
  self.other = "https://localhost:" .. ports[2]
  self.expired = "https://localhost:" .. ports[3]
  self.plain = "http://localhost:" .. ports[4]
  self.plain_port = ports[4]
  open[self] = true
  return self
end

---What it answers to a GET of the spec's own, over a connection of its own, as JSON:
---"/count": requests, open (those without an answer), connections, held.
---@param path string
---@return table
function Service:ask(path)
  local client = assert(net.connect(self.plain_port))
  assert(client:send("GET " .. path .. " HTTP/1.0\r\n\r\n"))
  assert(client:waitClosed(https.patience), "the service did not answer")
  local body = client:pending():match("\r\n\r\n(.*)$")
  client:close()
  return cjson.decode(body)
end

---Ends all that were started and removes their folders.
function https.closeAll()
  for self in pairs(open) do
    open[self] = nil
    self.process:close()
    tree.remove(self.dir)
  end
end

return https
