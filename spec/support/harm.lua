-- A library of tools/preload in a program under test: it does harm while it is switched on.
--
--   local harm = require("spec.support.harm").new("fail_calls", { FAULT_WHAT = "s" })
--   game.start { env = harm.env }
--   harm:switch(true) … harm:switch(false)
--   harm:count()    how many calls were harmed, after the program's end
--   harm:close()

local net = require "spec.support.net"
local tree = require "spec.support.tree"
local uv = require "luv"

local Harm = {}
Harm.__index = Harm

local function read(path)
  local file = io.open(path)
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

---@param name string a file of tools/preload
---@param env table<string, string> more variables
---@return table harm env: what the program is started with
local function new(name, env)
  local self = setmetatable({ dir = tree.new {}, env = {} }, Harm)
  for key, value in pairs(env) do self.env[key] = value end
  self.flag = self.dir .. "/flag"
  self.env.LD_PRELOAD = net.built("preload/" .. name .. ".so")
  self.env.FAULT_FLAG, self.env.FAULT_COUNT = self.flag, self.dir .. "/count"
  return self
end

---Returns when the program has seen it.
---@param on boolean
function Harm:switch(on)
  if on then assert(io.open(self.flag, "w")):close() else os.remove(self.flag) end
  local state = on and "on\n" or "off\n"
  -- A file is no event of the loop: it is looked at again and again.
  local again = uv.new_timer()
  again:start(2, 2, function() end)
  assert(net.wait(function() return read(self.flag .. ".state") == state end))
  again:close()
end

---@return integer
function Harm:count() return tonumber(read(self.dir .. "/count")) end

function Harm:close() tree.remove(self.dir) end

return { new = new }
