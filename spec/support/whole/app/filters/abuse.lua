-- Changes what a client says, and what it is answered.
local abuse = {}

function abuse:before(msg, _, next)
  if type(msg.text) == "string" then msg.text = msg.text:gsub("darn", "****") end
  next()
end

function abuse:after(err, msg, _, resp, next)
  if resp and msg.__route__:find "send$" then resp.filtered = 1 end
  next(err)
end

return abuse
