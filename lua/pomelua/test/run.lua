-- test.run: busted as `pomelua test` starts it: in this very LuaJIT, so that arguments with
-- spaces stay what they are.
local found, run = pcall(require, "busted.runner")
if not found then
  io.stderr:write("pomelua: test: busted is not installed for LuaJIT (Debian: lua-busted)\n")
  os.exit(1)
end
if not package.searchpath("pomelua.core", package.cpath) then
  io.stderr:write("pomelua: test: the module pomelua.core is not installed for LuaJIT (Debian: " ..
    "lua-pomelua)\n")
  os.exit(1)
end
run { standalone = false }
