-- place: where the tools find a program. Its control socket lies in .pomelua/ of the app's
-- folder. When that folder was named by a link, as in /srv/game/current, and the link is set to
-- the next release, the socket gets one more name there: a tool that is told the same name finds
-- the same program.
local core = require "pomelua.core"
local files = require "pomelua.base.files"

local place = {}

local methods = {}
local mt = { __index = methods }

local function socket(folder) return ("%s/.pomelua/%d.sock"):format(folder, core.pid()) end

---@param base string|nil the app's folder, as it was named
---@return table place moves: whether a link is in its name
function place.new(base)
  local at = base and files.absolute(base)
  local self = { base = base, at = at, moves = at ~= base, names = { at and socket(at) } }
  return setmetatable(self, mt)
end

---Looks whether the name leads elsewhere now.
---@param warn fun(text: string)
function methods:follow(warn)
  local at = self.moves and files.absolute(self.base)
  if not at or at == self.at then return end
  self.at = at
  local name, done, message = socket(at), false, "there is no socket"
  for _, known in ipairs(self.names) do
    if known == name and files.exists(name) then return end
  end
  files.make_private(at .. "/.pomelua")
  os.remove(name) -- the number is this process's: what lies there came with a copy
  for i = #self.names, 1, -1 do
    if not done then done, message = files.link(self.names[i], name) end
  end
  if done then
    self.names[#self.names + 1] = name
  else
    warn(("%s leads to %s now, where the tools do not find this program: %s"):format(
      self.base, at, message))
  end
end

---At the end: the first name is the program's to remove.
function methods:leave()
  for i = 2, #self.names do os.remove(self.names[i]) end
end

return place
