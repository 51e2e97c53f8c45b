-- Written as one function that returns; what hangs on the session reaches the handler.
local pomelua = require "pomelua"

return function(msg, session)
  pomelua.await(function(cb) cb(nil) end)
  if session.uid == nil then return nil, { code = 401 } end
  session.area = session:get "area"
  msg.stamped = 1
end
