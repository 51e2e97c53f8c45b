std = "luajit"
max_line_length = 100
codes = true
exclude_files = { "**/node_modules/**", "build/**" }
files["examples"] = { self = false } -- a handler need not use its self
files["spec"] = { std = "+busted" }
files["examples/*/spec"] = { std = "+busted" }
