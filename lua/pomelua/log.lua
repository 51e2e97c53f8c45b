-- log: scripts write the log of the server they run in; outside of any server
-- (specs, tools) the lines go to stderr.
local current = require "pomelua.current"

local log = {}

---Writes a finished text.
---@param server table|nil the server whose log it is; nil: the running one
---@param level "debug"|"info"|"warn"|"error"
---@param text string
function log.write(server, level, text)
  server = server or current.server or current.only
  if server then
    server.node:log(level, text)
  else
    io.stderr:write(level, " ", text, "\n")
  end
end

-- A wrong format must not cost the caller its request.
local function line(format, ...)
  if type(format) ~= "string" then format = tostring(format) end
  if select("#", ...) == 0 then return format end
  local ok, text = pcall(string.format, format, ...)
  if ok then return text end
  local parts = { format }
  for i = 1, select("#", ...) do parts[i + 1] = tostring((select(i, ...))) end
  return table.concat(parts, " ")
end

---@param format string as for string.format; taken as it is when nothing follows
function log.debug(format, ...) log.write(nil, "debug", line(format, ...)) end

---@param format string as for string.format; taken as it is when nothing follows
function log.info(format, ...) log.write(nil, "info", line(format, ...)) end

---@param format string as for string.format; taken as it is when nothing follows
function log.warn(format, ...) log.write(nil, "warn", line(format, ...)) end

---@param format string as for string.format; taken as it is when nothing follows
function log.error(format, ...) log.write(nil, "error", line(format, ...)) end

---What `print` does in a server: one line of level info.
function log.print(...)
  local parts = {}
  for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
  log.write(nil, "info", table.concat(parts, "\t"))
end

return log
