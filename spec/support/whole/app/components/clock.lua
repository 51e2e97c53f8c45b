-- A component: ticks between its start and its stop.
return function(app, opts)
  local clock = { name = "clock", ticks = 0, version = 1 }
  local timer

  function clock:start(cb)
    timer = app:setInterval(opts.step, function() self.ticks = self.ticks + 1 end)
    cb()
  end

  function clock:afterStart() self.after = true end

  function clock:stop(force, cb)
    app:clearTimer(timer)
    require("pomelua").log.info("clock stopped, %s", tostring(force))
    cb()
  end

  return clock
end
