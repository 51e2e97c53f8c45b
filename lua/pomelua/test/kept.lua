-- test.kept: what a spec's server keeps (state.__keep): in memory, for as long as the server's
-- object of the kit is there, so that server:restart finds it.
local live_kept = require "pomelua.live.kept"

local kept = {}

---A server of the kit, before it starts, gets the states that it has left in self.memory: texts by
---file. There it keeps them.
---@param self table the kit's server
function kept.keep(self)
  self.inner.kept.keeper = {
    load = function() return self.memory end,
    save = function(_, changes, done)
      for _, change in ipairs(changes) do self.memory[change[1]] = change[2] end
      done()
    end,
  }
  assert(live_kept.restore(self.inner))
end

return kept
