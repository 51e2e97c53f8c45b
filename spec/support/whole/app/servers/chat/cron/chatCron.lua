-- What the chat does at times of the day.
return function(app)
  local Cron = {}

  function Cron:tick() app:set("cron", 1) end

  return Cron
end
