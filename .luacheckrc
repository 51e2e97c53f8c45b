std = "luajit"
max_line_length = 100
codes = true
self = false -- a method need not use its object
exclude_files = { "**/node_modules/**", "build/**" }
files["lua/pomelua/library"] = { only = { "0", "6" } } -- for editors: names alone
files["spec"] = { std = "+busted" }
files["examples/*/spec"] = { std = "+busted" }
