-- later: a module that is loaded when it is used first, for those that most uses of a program never
-- touch. It stands at the top of a file, as require does; spec/house knows it as one.
--
--   local checks = later "pomelua.cli.checks"

---@param name string of the module, whose value is a table
---@return any module what `require` gives, as far as its fields go
return function(name)
  return setmetatable({}, { __index = function(_, key) return require(name)[key] end })
end
