-- certificates: those of a frontend's port, connectorConfig.ssl: read when it starts, and again
-- when their files change (run/setting_files). What cannot be used leaves what is in force.
local files = require "pomelua.base.files"
local setting_files = require "pomelua.run.setting_files"
local timers = require "pomelua.run.timers"

local certificates = {}

local WARN_DAYS = 14 -- before the end of a certificate
local DAY = 86400 -- seconds

---The part of a server that belongs to this file.
function certificates.init(server)
  server.certificates = { ends = nil, file = nil } -- when and which of them ends first
end

-- What is to be said of certificates, a line each.
local function notes_of(found)
  local notes = {}
  for line in found:notes():gmatch("[^\n]+") do notes[#notes + 1] = line end
  return notes
end

local function load(server, strict)
  local wanted = {}
  for key, value in pairs(server.checked.ssl) do wanted[key] = value end
  wanted.base, wanted.strict = server.base, strict
  return server.node:certificates(wanted)
end

---What is wrong with the files; for `pomelua check`, which uses nothing.
---@param server pomelua.Server
---@return string|nil fault
---@return string[] notes
function certificates.look_at(server)
  if not server.frontend or not server.checked.ssl then return nil, {} end
  local found, message = load(server, true)
  if not found then return message, {} end
  return nil, notes_of(found)
end

-- Once a day: a renewal that has failed elsewhere is noticed before clients notice it.
local function look_ahead(server)
  local days = math.floor((server.certificates.ends - server.wall()) / DAY)
  if days < 0 then
    server:warn(server.certificates.file .. ": the certificate has expired")
  elseif days < WARN_DAYS then
    server:warn(("%s: the certificate ends in %d day%s"):format(server.certificates.file, days,
      days == 1 and "" or "s"))
  end
end

local function wait(server)
  timers.start(server, DAY * 1000, { of_framework = true, fire = function()
    look_ahead(server)
    wait(server)
  end })
end

local function use(server, found)
  server.certificates.ends, server.certificates.file = found:ends()
  server.node:useCertificates(found, server.checked.ssl.required)
end

local function renew(server)
  local found, message = load(server, true)
  if not found then return message end
  use(server, found)
  for _, line in ipairs(notes_of(found)) do server:warn(line) end
end

-- Every file, absolute.
local function paths_of(server)
  local paths, seen = {}, {}
  local function add(path)
    path = files.from(server.base, path)
    if not seen[path] then paths[#paths + 1] = path end
    seen[path] = true
  end
  local function add_pair(pair)
    add(pair.cert)
    add(pair.key)
    for _, path in ipairs(pair.chain) do add(path) end
  end
  add_pair(server.checked.ssl)
  for _, pair in ipairs(server.checked.ssl.names) do add_pair(pair) end
  return paths
end

---Reads the certificates of a frontend that starts. One that has expired is used, with a warning:
---it harms less than a server that does not come back.
---@param server pomelua.Server
---@return true|nil ok
---@return string|nil message names setting and file
function certificates.start(server)
  if not server.frontend or not server.checked.ssl then return true end
  setting_files.add(server, { -- before they are read: what changes meanwhile is seen
    what = "certificates", paths = paths_of(server),
    read = function() return renew(server) end,
  })
  local found, message = load(server, false)
  if not found then return nil, message end
  use(server, found)
  for _, line in ipairs(notes_of(found)) do server:notice(line) end
  if server.certificates.ends > server.wall() then look_ahead(server) end
  wait(server)
  return true
end

return certificates
