-- Certificates and keys for specs, made by `openssl` when they are needed.
--
--   certs.make(dir, "game")            dir/game.crt and dir/game.key, for localhost and 127.0.0.1
--   certs.make(dir, "other", { host = "other.example.org", expired = true, password = "x" })
local tree = require "spec.support.tree"

local certs = {}

local function run(command)
  local pipe = io.popen("(" .. command .. ") 2>&1; echo status $?")
  local said = pipe:read("*a")
  pipe:close()
  return said:find("status 0\n$") ~= nil, said
end

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

---Makes a certificate that is signed by its own key; both files are replaced by rename, as tools
---that renew certificates do.
---@param dir string
---@param name string
---@param opts table|nil host: "localhost"; days: 30; expired; password: of the key; by: the name of
---a pair in the same folder that signs it
function certs.make(dir, name, opts)
  opts = opts or {}
  local host = opts.host or "localhost"
  local new = dir .. "/" .. name .. ".new"
  tree.write(dir, name .. ".new.cnf", ([[
[req]
distinguished_name = dn
prompt = no
[dn]
CN = %s
[ext]
subjectAltName = DNS:%s%s
basicConstraints = critical,CA:TRUE
]]):format(host, host, opts.host and "" or ",IP:127.0.0.1"))
  local function file(ending) return quoted(new .. ending) end
  assert(run(("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out %s")
    :format(file ".key")))
  assert(run(("openssl req -new -key %s -config %s -out %s")
    :format(file ".key", file ".cnf", file ".csr")))
  local by = ("-signkey %s"):format(file ".key")
  if opts.by then
    by = ("-CA %s -CAkey %s -set_serial %d"):format(quoted(dir .. "/" .. opts.by .. ".crt"),
      quoted(dir .. "/" .. opts.by .. ".key"), math.random(2 ^ 30))
  end
  local sign = ("openssl x509 -req -in %s %s -extfile %s -extensions ext -out %s ")
    :format(file ".csr", by, file ".cnf", file ".crt")
  if opts.expired then -- which option takes a day in the past depends on the version
    local ok = run(sign .. "-days -1")
      or run(sign .. "-not_before 20200101000000Z -not_after 20200102000000Z")
    assert(ok, "openssl makes no certificate that has expired")
  else
    assert(run(sign .. "-days " .. (opts.days or 30)))
  end
  if opts.password then
    assert(run(("openssl pkey -in %s -aes256 -passout pass:%s -out %s && mv %s %s")
      :format(file ".key", opts.password, file ".key2", file ".key2", file ".key")))
  end
  os.remove(new .. ".csr")
  os.remove(new .. ".cnf")
  assert(os.rename(new .. ".key", dir .. "/" .. name .. ".key"))
  assert(os.rename(new .. ".crt", dir .. "/" .. name .. ".crt"))
end

---The hash of a certificate's key, as Chromium takes it.
---@param path string
---@return string hash
function certs.key_hash(path)
  local ok, said = run(("openssl x509 -in %s -pubkey -noout | openssl pkey -pubin -outform der"
    .. " | openssl dgst -sha256 -binary | openssl enc -base64"):format(quoted(path)))
  assert(ok, said)
  return said:match("^(%S+)")
end

---A certificate for 127.0.0.1 and its key, as files of an app.
---@return table<string, string> files config/tls/game.crt and config/tls/game.key
function certs.files()
  local dir, files = tree.new {}, {}
  certs.make(dir, "game")
  for _, ending in ipairs { ".crt", ".key" } do
    local file = assert(io.open(dir .. "/game" .. ending))
    files["config/tls/game" .. ending] = file:read("*a")
    file:close()
  end
  tree.remove(dir)
  return files
end

---Runs a command of `openssl`; gives whether it has ended well, and all that it has said.
---@param args string as for the shell
---@return boolean ok
---@return string said
function certs.openssl(args) return run("timeout 20 openssl " .. args) end

return certs
