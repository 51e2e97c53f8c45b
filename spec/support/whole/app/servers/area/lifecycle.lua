-- What an area does around its life.
local Lifecycle = {}

function Lifecycle.beforeStartup(app, cb)
  app:set("steps", "before")
  cb()
end

function Lifecycle.afterStartup(app, cb)
  app:set("steps", app:get "steps" .. " after")
  cb()
end

function Lifecycle.afterStartAll(app) app:set("steps", app:get "steps" .. " all") end

function Lifecycle.beforeShutdown(app, shutDown, cancelShutDownTimer)
  cancelShutDownTimer()
  require("pomelua").log.info("steps: %s", app:get "steps")
  shutDown()
end

return Lifecycle
