rockspec_format = "3.0"
package = "pomelua"
version = "scm-1"
source = {
  url = "git+file://.",
}
description = {
  summary = "A game server scripted in Lua that speaks Pomelo's protocol",
  detailed = [[
    The Lua half of Pomelua and its C module: what the specs of a game need. The
    program `pomelua`, which makes a game, tests it and runs its servers.
  ]],
  license = "MIT",
  labels = { "game", "server", "network" },
}
dependencies = {
  "lua == 5.1",
  "lua-cjson >= 2.1.0",
}
test_dependencies = {
  "busted >= 2.1",
}
build = {
  -- The Makefile knows the sources and flags; LuaJIT's headers come from
  -- pkg-config, since luarocks may be set up for another Lua 5.1.
  type = "make",
  build_target = "rock",
  build_variables = {
    CFLAGS = "$(CFLAGS)",
  },
  install_target = "install-rock",
  install_variables = {
    LUADIR = "$(LUADIR)",
    LIBDIR = "$(LIBDIR)",
    BINDIR = "$(BINDIR)",
    CFLAGS = "$(CFLAGS)",
  },
}

-- The program is no script that luarocks could wrap.
deploy = {
  wrap_bin_scripts = false,
}
