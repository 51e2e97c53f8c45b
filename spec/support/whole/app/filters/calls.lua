-- Around calls: counts them, and moves those for a server that is away.
local calls = { made = 0 }

function calls:before(server_id, _, opts, next)
  self.made = self.made + 1
  opts.began = true
  next(server_id == "area-9" and "area-1" or nil)
end

function calls:after(_, _, opts)
  if opts.began then self.made = self.made + 0 end
end

function calls.failed(err, server_id, _, next)
  next({ message = ("%s: %s"):format(server_id, type(err) == "table" and err.message or err),
    code = type(err) == "table" and err.code or nil })
end

return calls
