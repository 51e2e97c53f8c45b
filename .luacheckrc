std = "luajit"
max_line_length = 100
codes = true
self = false -- a method need not use its object
exclude_files = { "**/node_modules/**", "build/**" }
files["spec"] = { std = "+busted" }
files["examples/*/spec"] = { std = "+busted" }
