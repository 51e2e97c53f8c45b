-- The client gets a text with each error.
return function(err, _, resp, _, next)
  local text = type(err) == "table" and (err.message or err.text) or err
  next(err, resp or { code = 500, text = tostring(text):match "^[^\n]*" })
end
