-- What a request costs that does something more than a plain one: the processor time of the server
-- beyond a plain request's. How many requests a turn of the server finds decides what each of them
-- costs, so the plain ones come as often as the others did, each at a time of its own.
local beyond = {}

---@param tools table run(name, server, options) -> what the generator measured
---@param server table
---@param options string of the generator, without count and route
---@param count number requests of each kind
---@param what string the kind, for messages
---@param route string with its message, as options
---@return table|nil with what was measured of these requests
---@return table|nil plain what was measured of plain ones
---@return number|nil us of processor time of one more than of a plain one
function beyond.measure(tools, server, options, count, what, route)
  local base = ("--mode echo --enter '' %s --count %d --route connector."):format(options, count)
  local with = tools.run(what, server, base .. route).echo
  if not with then return nil end
  local plain = tools.run("a plain request", server, ("%sentryHandler.echo --rate %d"):format(base,
    math.max(1, math.floor(with.rate)))).echo
  if not plain then return nil end
  return with, plain, with.server_us - plain.server_us
end

return beyond
