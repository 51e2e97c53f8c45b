-- What other servers ask an area.
return function(app)
  local Remote = {}

  function Remote:info(what) return { id = app:getServerId(), what = what, v = 1 } end

  function Remote:fails(_, cb) cb { message = "no such map", code = "NOMAP" } end

  return Remote
end
