-- What connectors tell the chat.
return function(app)
  local Remote = {}

  function Remote:bye(uid) app:set("gone", uid) end

  return Remote
end
