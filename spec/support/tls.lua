-- A TLS client for specs: a luv TCP handle behind OpenSSL, with the methods of the handle that
-- specs use, so that whatever speaks over a socket speaks over TLS. It believes any certificate,
-- and can be told to do what a good client does not: to say a hello alone, to negotiate anew.
--
--   local tcp = tls.wrap(uv.new_tcp())           tcp:connect(host, port, cb), tcp:write(bytes), …
--   local hello = tls.hello()                    the bytes of a ClientHello
local ffi = require "ffi"

ffi.cdef [[
typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
typedef struct bio_st BIO;
const void *TLS_client_method(void);
SSL_CTX *SSL_CTX_new(const void *method);
long SSL_CTX_ctrl(SSL_CTX *ctx, int cmd, long number, void *value);
uint64_t SSL_CTX_set_options(SSL_CTX *ctx, uint64_t options);
SSL *SSL_new(SSL_CTX *ctx);
void SSL_free(SSL *s);
void SSL_set_bio(SSL *s, BIO *in, BIO *out);
void SSL_set_connect_state(SSL *s);
int SSL_do_handshake(SSL *s);
int SSL_is_init_finished(const SSL *s);
int SSL_renegotiate(SSL *s);
int SSL_read(SSL *s, void *to, int n);
int SSL_write(SSL *s, const void *from, int n);
int SSL_get_error(const SSL *s, int r);
void ERR_clear_error(void);
BIO *BIO_new(const void *method);
const void *BIO_s_mem(void);
int BIO_write(BIO *b, const void *from, int n);
int BIO_read(BIO *b, void *to, int n);
size_t BIO_ctrl_pending(BIO *b);
]]

-- The name without a number is that of the package for developers.
local lib = ffi.load "ssl"

local WANT_READ, ZERO_RETURN = 2, 6
local SET_MAX_VERSION, TLS_1_2 = 124, 0x0303
local CLIENT_RENEGOTIATION = 0x100 -- bit 8 of SSL_OP_…

local tls = {}

local function context(version)
  local ctx = lib.SSL_CTX_new(lib.TLS_client_method())
  lib.SSL_CTX_set_options(ctx, CLIENT_RENEGOTIATION)
  if version then lib.SSL_CTX_ctrl(ctx, SET_MAX_VERSION, version, nil) end
  return ctx
end

local newest, older = context(), context(TLS_1_2)
local buffer = ffi.new("uint8_t[?]", 65536)

local function session(opts)
  local s = ffi.gc(lib.SSL_new(opts.old and older or newest), lib.SSL_free)
  local into, out = lib.BIO_new(lib.BIO_s_mem()), lib.BIO_new(lib.BIO_s_mem())
  lib.SSL_set_bio(s, into, out) -- it owns them
  lib.SSL_set_connect_state(s)
  return s, into, out
end

-- All that OpenSSL has to say to the server.
local function said(out)
  local parts = {}
  while true do
    local n = lib.BIO_read(out, buffer, 65536)
    if n <= 0 then return table.concat(parts) end
    parts[#parts + 1] = ffi.string(buffer, n)
  end
end

---The ClientHello that a good client begins with.
---@param opts table|nil old: of TLS 1.2
---@return string bytes
function tls.hello(opts)
  local s, _, out = session(opts or {})
  lib.SSL_do_handshake(s)
  return said(out)
end

local Tls = {}
-- Methods that are not here are those of the handle.
Tls.__index = function(self, name)
  if Tls[name] then return Tls[name] end
  local tcp = rawget(self, "tcp")
  local method = tcp[name]
  return method and function(_, ...) return method(tcp, ...) end
end

---@param tcp userdata of luv
---@param opts table|nil old: TLS 1.2
---@return table handle
function tls.wrap(tcp, opts)
  local s, into, out = session(opts or {})
  return setmetatable({ tcp = tcp, ssl = s, into = into, out = out, queue = {} }, Tls)
end

local function flush(self, done)
  local bytes = said(self.out)
  if #bytes > 0 or done then return self.tcp:write(bytes, done) end
  return true
end

-- Writes what had to wait for the handshake.
local function start(self)
  self.up = true
  local queue = self.queue
  self.queue = nil
  for _, one in ipairs(queue) do self:write(one.bytes, one.done) end
end

-- What a call of OpenSSL's that gave r means: "again", "eof", or an error.
local function outcome(self, r)
  local why = lib.SSL_get_error(self.ssl, r)
  return why == WANT_READ and "again" or why == ZERO_RETURN and "eof" or "ETLS"
end

local function step(self)
  lib.ERR_clear_error()
  if not self.up then
    local r = lib.SSL_do_handshake(self.ssl)
    flush(self)
    if r ~= 1 then return outcome(self, r) end
    start(self)
  end
  while true do
    lib.ERR_clear_error()
    local r = lib.SSL_read(self.ssl, buffer, 65536)
    if r <= 0 then
      local what = outcome(self, r)
      flush(self)
      return what
    end
    if self.on_read then self.on_read(nil, ffi.string(buffer, r)) end
    if self.tcp:is_closing() then return "again" end
  end
end

local function on_bytes(self, err, bytes)
  local told = self.on_read
  if not bytes then return told and told(err, nil) end
  lib.BIO_write(self.into, bytes, #bytes)
  local what = step(self)
  if what == "again" or self.tcp:is_closing() then return end
  self.tcp:read_stop()
  self.notified = what == "eof" -- the server said that nothing follows
  if told then told(what ~= "eof" and what or nil, nil) end
end

---Connects, and begins the handshake; cb(err) once the socket is there.
function Tls:connect(host, port, cb)
  return self.tcp:connect(host, port, function(err)
    if not err and not self.tcp:is_closing() then
      step(self)
      self:read_start(nil)
    end
    cb(err)
  end)
end

function Tls:read_start(cb)
  self.on_read = cb
  return self.tcp:read_start(function(err, bytes) on_bytes(self, err, bytes) end)
end

---Writes once the handshake is done.
function Tls:write(bytes, done)
  if self.queue then
    self.queue[#self.queue + 1] = { bytes = bytes, done = done }
    return true
  end
  if #bytes > 0 then
    lib.ERR_clear_error()
    if lib.SSL_write(self.ssl, bytes, #bytes) <= 0 then return nil, "ETLS" end
  end
  return flush(self, done)
end

---Asks for another handshake, as only TLS 1.2 knows it.
function Tls:renegotiate()
  lib.ERR_clear_error()
  assert(lib.SSL_renegotiate(self.ssl) == 1)
  lib.SSL_do_handshake(self.ssl)
  return flush(self)
end

return tls
