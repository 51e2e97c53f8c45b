-- latency: what a histogram says of calls: how long most of them have taken at most.
local latency = {}

latency.OVER = -1 -- longer than the last class with a bound

---The time that was enough for a share of the calls: the upper bound of the class in which the last
---of them is.
---@param took number[] calls by class; the last class has no bound
---@param bounds number[] upper bounds of the classes
---@param share number 0.5, 0.99, …
---@return number|nil time in the unit of the bounds; nil: there were no calls; latency.OVER
function latency.of(took, bounds, share)
  local all, so_far = 0, 0
  for _, n in ipairs(took) do all = all + n end
  if all == 0 then return nil end
  local wanted = math.ceil(all * share)
  for class, n in ipairs(took) do
    so_far = so_far + n
    if so_far >= wanted then return bounds[class] or latency.OVER end
  end
end

---Such a time, in microseconds, for a person.
---@param us number|nil
---@param bounds_end number the last bound
---@return string
function latency.shown(us, bounds_end)
  if not us then return "-" end
  local over = us == latency.OVER
  if over then us = bounds_end end
  local text = us < 1000 and ("%g us"):format(us) or us < 1000000 and ("%g ms"):format(us / 1000)
    or ("%g s"):format(us / 1000000)
  return (over and "> " or "") .. text
end

return latency
