-- On connectors, around all messages: who is not logged in may only enter.
local gate = { before_count = 0, after_count = 0 }

function gate:before(msg, session, next)
  self.before_count = self.before_count + 1
  if not session.uid and msg.route ~= "connector.entryHandler.enter" then
    return next("log in first", { code = 401, text = "log in first" })
  end
  next()
end

function gate:after(_, _, _, _, next)
  self.after_count = self.after_count + 1
  next()
end

return gate
