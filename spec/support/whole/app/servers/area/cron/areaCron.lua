-- What areas do at times of the day.
return function(app)
  local Cron = {}

  function Cron:tick() app:set("ticked", 1) end

  return Cron
end
