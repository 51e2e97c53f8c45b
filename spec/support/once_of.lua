-- A bound on time that a busy machine may break: the product keeps it when one run of several does.
--
--   once_of(3, function() … assert(ms < 1000) end)
--
-- For bounds alone: what must hold in each run stands outside.

---Runs fn until it raises nothing, n times at most; raises what the last run raised.
---@param n integer
---@param fn fun()
return function(n, fn)
  for _ = 2, n do
    if pcall(fn) then return end
  end
  fn()
end
