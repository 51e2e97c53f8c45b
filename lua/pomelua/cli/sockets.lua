-- cli.sockets: the control sockets of the programs of an app: PID.sock in the folders of ops/place
local core = require "pomelua.core"
local files = require "pomelua.base.files"
local place = require "pomelua.ops.place"

local sockets = {}

local ANSWER = 2000 -- ms
local MOVE = 2000 -- ms: a program whose folder's link was set anew comes within half a second

-- Calls fn(path, pid) for each.
local function each(folders, fn)
  for _, folder in ipairs(folders) do
    for _, name in ipairs(files.list(folder) or {}) do
      local pid = name:match("^(%d+)%.sock$")
      if pid then fn(folder .. "/" .. name, pid) end
    end
  end
end

local function look(folders, pid)
  local live, seen = {}, {}
  each(folders, function(path, number)
    if pid and number ~= pid or seen[number] then return end
    local answer, _, code = core.ask(path, '{"command":"version"}', ANSWER)
    if answer or code == "TIMEOUT" then
      live[#live + 1] = { pid = number, path = path, stuck = not answer or nil }
      seen[number] = true
    end
  end)
  return live
end

---The programs that run in a folder, or the one of them.
---@param dir string
---@param pid string|nil
---@param state string|nil of --state
---@return table[]|nil list {pid, path, stuck}: one that is stuck has not answered in time
---@return string|nil message
function sockets.live(dir, pid, state)
  local base = files.absolute(dir)
  if not base then return nil, dir .. ": there is no such folder" end
  local folders, message = place.look(base, state)
  if not folders then return nil, message end
  local live, first = look(folders, pid), core.clock()
  while #live == 0 and files.named(dir) ~= base and core.clock() - first < MOVE do
    core.pause(50)
    live = look(folders, pid)
  end
  return live
end

---Those that run at this moment, without waiting for one whose folder's link was set anew.
---@param dir string
---@param state string|nil of --state
---@return table[] list {pid, path}
function sockets.now(dir, state)
  return look(place.look(files.absolute(dir), state) or {})
end

---Says that no program was found, and where it was looked for.
---@param dir string
---@param state string|nil of --state
---@return string
function sockets.none(dir, state)
  local folders = place.look(files.absolute(dir), state)
  local usual = #folders == 1 and folders[1] == files.absolute(dir) .. "/.pomelua"
  if usual then
    return ("no pomelua runs in %s (one that was started with --state DIR, or by systemd with a "
      .. "StateDirectory=, is found by the same --state DIR)"):format(dir)
  end
  return ("no pomelua runs in %s: no socket in %s"):format(dir, table.concat(folders, " or "))
end

---Removes the sockets of programs that were killed: there is no such process, and the socket
---refuses connections.
---@param folders string[]
function sockets.sweep(folders)
  each(folders, function(path, pid)
    if files.exists("/proc/" .. pid .. "/stat") then return end
    local _, _, code = core.ask(path, '{"command":"version"}', ANSWER)
    if code == "NOENT" then os.remove(path) end
  end)
end

return sockets
