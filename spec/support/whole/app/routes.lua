-- Which area a player is in: the one that the session names.
return function(session, _, app, cb)
  local id = session and session.get and session:get("area")
  cb(nil, id or app:getServersByType("area")[1].id)
end
