--- The component that lets the arena go on: a step every 50 ms, from the start to the stop.
local pomelua = require "pomelua"
local arena = require "app.arena"
local rules = require "app.rules"

---@param app pomelua.App
return function(app)
  local Ticker = { name = "ticker" }
  local timer

  function Ticker:afterStart(cb)
    timer = pomelua.every(rules.step, function() arena.step(app) end)
    cb()
  end

  function Ticker:stop(_, cb)
    app:clearTimer(timer)
    cb()
  end

  return Ticker
end
