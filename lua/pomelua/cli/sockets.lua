-- cli.sockets: the control sockets of the programs that run in a folder: .pomelua/PID.sock
local core = require "pomelua.core"
local files = require "pomelua.base.files"

local sockets = {}

local ANSWER = 2000 -- ms
local MOVE = 2000 -- ms: a program whose folder's link was set anew comes within half a second

-- Calls fn(path, pid) for each.
local function each(base, fn)
  for _, name in ipairs(files.list(base .. "/.pomelua") or {}) do
    local pid = name:match("^(%d+)%.sock$")
    if pid then fn(base .. "/.pomelua/" .. name, pid) end
  end
end

local function look(base, pid)
  local live = {}
  each(base, function(path, number)
    if pid and number ~= pid then return end
    local answer, _, code = core.ask(path, '{"command":"version"}', ANSWER)
    if answer or code == "TIMEOUT" then live[#live + 1] = { pid = number, path = path } end
  end)
  return live
end

---The programs that run in a folder, or the one of them.
---@param dir string
---@param pid string|nil
---@return table[]|nil list {pid, path}
---@return string|nil message
function sockets.live(dir, pid)
  local base = files.absolute(dir)
  if not base then return nil, dir .. ": there is no such folder" end
  local live, first = look(base, pid), core.clock()
  while #live == 0 and files.named(dir) ~= base and core.clock() - first < MOVE do
    core.pause(50)
    live = look(base, pid)
  end
  return live
end

---Removes the sockets of programs that were killed: there is no such process, and the socket
---refuses connections.
---@param base string
function sockets.sweep(base)
  each(base, function(path, pid)
    if files.exists("/proc/" .. pid .. "/stat") then return end
    local _, _, code = core.ask(path, '{"command":"version"}', ANSWER)
    if code == "NOENT" then os.remove(path) end
  end)
end

return sockets
