-- Rules about the C sources that a text search can keep.
local function files(where, pattern)
  local list = {}
  local pipe = io.popen("find " .. where .. " -type f -name '" .. pattern .. "' 2>/dev/null | sort")
  for path in pipe:lines() do list[#list + 1] = path end
  pipe:close()
  return list
end

local function sources(pattern)
  local list = {}
  for _, path in ipairs(files("core", pattern)) do
    if not path:match("^core/test/") and not path:match("^core/fuzz/") then
      list[#list + 1] = path
    end
  end
  return list
end

local files_of_tree = require "spec.support.files"
local read, exists = files_of_tree.read, files_of_tree.exists

local function blank(text) return (text:gsub("[^\n]", " ")) end

-- The text without comments, strings and characters; lines stay where they were.
local function code_of(text)
  local out, at = {}, 1
  while at <= #text do
    local from = text:find("[/\"']", at)
    if not from then break end
    out[#out + 1] = text:sub(at, from - 1)
    local two = text:sub(from, from + 1)
    local to
    if two == "/*" then
      to = select(2, text:find("*/", from + 2, true)) or #text
    elseif two == "//" then
      to = (text:find("\n", from, true) or #text + 1) - 1
    elseif two:sub(1, 1) == "/" then
      to = from
      out[#out + 1] = "/"
    else
      local quote = two:sub(1, 1)
      to = from + 1
      while to < #text and text:sub(to, to) ~= quote do
        to = to + (text:sub(to, to) == "\\" and 2 or 1)
      end
    end
    if two:sub(1, 1) ~= "/" or two == "/*" or two == "//" then
      out[#out + 1] = blank(text:sub(from, to))
    end
    at = to + 1
  end
  out[#out + 1] = text:sub(at)
  return table.concat(out)
end

local function lines(text)
  local n = 0
  return function(s, _)
    local line = s()
    if line then n = n + 1; return n, line end
  end, (text .. "\n"):gmatch("(.-)\n")
end

local function none(wrong)
  assert(#wrong == 0, "\n" .. table.concat(wrong, "\n"))
end

describe("the C sources", function()
  it("call Lua through one door, script/call.c", function()
    local wrong = {}
    for _, path in ipairs(sources("*.[ch]")) do
      if path ~= "core/script/call.c" then
        for n, line in lines(code_of(read(path))) do
          if line:find("%f[%w_]lua_p?call%f[^%w_]") or line:find("%f[%w_]lua_c?p?callk?%s*%(")
            or line:find("%f[%w_]lua_resume%f[^%w_]") or line:find("%f[%w_]luaL_do%a+") then
            wrong[#wrong + 1] = ("%s:%d: %s"):format(path, n, line)
          end
        end
      end
    end
    none(wrong)
  end)

  -- A server is a thread and a process runs many; nothing may be theirs together.
  -- The compiler knows best what is left to be written to.
  it("keep no state in static or global variables", function()
    local build = os.getenv("POMELUA_BUILD") or "build"
    local objects, wrong, sections = 0, {}, { COM = true }
    for _, name in ipairs { "bss", "data", "data.rel", "data.rel.local", "tbss", "tdata" } do
      sections["." .. name] = true
    end
    local pipe = io.popen("find " .. build .. "/obj -name '*.o' -not -path '*/obj/tools/*' | sort"
      .. " | xargs -r nm -A -f sysv")
    for line in pipe:lines() do
      local object, symbol, rest = line:match("^(%S-):%s*([^|]-)%s*|(.*)$")
      if object then
        objects = objects + 1
        local section = rest:match("|%s*%*?([^|%s%*]*)%*?%s*$")
        -- What sanitizers and coverage add begins with two underscores.
        if sections[section] and not symbol:find("^__") and not symbol:find("^%.") then
          wrong[#wrong + 1] = ("%s: %s in %s"):format(object, symbol, section)
        end
      end
    end
    pipe:close()
    assert(objects > 0, "nothing is built in " .. build)
    none(wrong)
  end)

  -- An assert there that a peer can reach is a way to end the server.
  it("say of every assert in wire/ and net/ that the invariant is ours", function()
    local wrong = {}
    for _, path in ipairs(sources("*.[ch]")) do
      if path:match("^core/wire/") or path:match("^core/net/") then
        for n, line in lines(read(path)) do
          if line:find("%f[%w_]assert%s*%(") and not line:find("/* ours", 1, true) then
            wrong[#wrong + 1] = ("%s:%d: %s"):format(path, n, line)
          end
        end
      end
    end
    none(wrong)
  end)

  it("describe every function that Lua sees", function()
    local wrong = {}
    for _, path in ipairs(sources("*.c")) do
      local before = ""
      for n, line in lines(read(path)) do
        local name = line:match("^static int (l_[%w_]+)%(lua_State")
        -- A declaration ahead of its definition needs no comment.
        if name and not line:find(";%s*$") and not before:find("%*/%s*$") then
          wrong[#wrong + 1] = ("%s:%d: %s has no comment above it"):format(path, n, name)
        end
        before = line
      end
    end
    none(wrong)
  end)

  it("open every header with its purpose and a guard of its name", function()
    local wrong = {}
    for _, path in ipairs(sources("*.h")) do
      local text = read(path)
      local guard = "PML_" .. path:gsub("^core/", ""):gsub("%W", "_"):upper()
      if not text:find("^/%*") then wrong[#wrong + 1] = path .. ": no comment on top" end
      if not text:find("#ifndef " .. guard, 1, true) then
        wrong[#wrong + 1] = path .. ": the guard is not " .. guard
      end
    end
    none(wrong)
  end)

  it("give every file of wire/ a fuzzer", function()
    local wrong = {}
    for _, path in ipairs(sources("*.c")) do
      local name = path:match("^core/wire/([%w_]+)%.c$")
      if name and not exists("core/fuzz/fuzz_" .. name .. ".c") then
        wrong[#wrong + 1] = path .. ": no core/fuzz/fuzz_" .. name .. ".c"
      end
    end
    none(wrong)
  end)

  it("give every fuzzer a corpus to begin with", function()
    local wrong = {}
    for _, path in ipairs(files("core/fuzz", "fuzz_*.c")) do
      local name = path:match("fuzz_([%w_]+)%.c$")
      if #files("core/fuzz/corpus/" .. name, "*") == 0 then
        wrong[#wrong + 1] = path .. ": core/fuzz/corpus/" .. name .. " is empty"
      end
    end
    none(wrong)
  end)

  -- Or one that says so: what is tested through something else is named there
  -- with its folder, as node/calls_in.c.
  it("give every file a test or a spec of its name", function()
    local specs, text, wrong = {}, {}, {}
    for _, path in ipairs(files("spec", "*_spec.lua")) do
      specs[path:match("([%w_]+)_spec%.lua$")] = true
      text[#text + 1] = read(path)
    end
    for _, path in ipairs(files("core/test", "test_*.c")) do text[#text + 1] = read(path) end
    text = table.concat(text, "\n")
    for _, path in ipairs(sources("*.c")) do
      local layer, name = path:match("^core/(%a+)/([%w_]+)%.c$")
      if layer and layer ~= "tools" and not exists("core/test/test_" .. name .. ".c")
        -- A binding is tested by a spec of what it binds.
        and not specs[name] and not specs[(name:gsub("^l_", ""))]
        and not text:find(layer .. "/" .. name .. ".c", 1, true) then
        wrong[#wrong + 1] = ("%s: neither core/test/test_%s.c nor a spec"):format(path, name)
      end
    end
    none(wrong)
  end)

  it("have lines of at most 100 columns, without tabs and trailing blanks", function()
    local wrong = {}
    for _, path in ipairs(files("core", "*.[ch]")) do
      for n, line in lines(read(path)) do
        -- A byte that continues a UTF-8 character takes no column.
        local columns = #line:gsub("[\128-\191]", "")
        local at = ("%s:%d: "):format(path, n)
        if columns > 100 then wrong[#wrong + 1] = at .. columns .. " columns" end
        if line:find("\t") or line:find("%s$") then wrong[#wrong + 1] = at .. "blanks" end
      end
    end
    none(wrong)
  end)

  it("have functions of at most 60 lines", function()
    local wrong = {}
    for _, path in ipairs(sources("*.c")) do
      local from, head
      for n, line in lines(read(path)) do
        if line:find("^[%w_].*[(]") then from, head = n, line end
        if line == "}" and from then
          if n - from >= 60 then
            wrong[#wrong + 1] = ("%s:%d: %d lines: %s"):format(path, from, n - from + 1, head)
          end
          from = nil
        end
      end
    end
    none(wrong)
  end)
end)

-- The functions of a file that are too long, a line each. What stands in a function inside of
-- another one counts for the inner one alone, so a constructor may hold many short methods.
local function long_functions(path)
  local info = require "jit.util"
  local wrong = {}
  local function look(proto, whole_file)
    local f = info.funcinfo(proto)
    local span = f.lastlinedefined - f.linedefined + 1
    local own = span
    for k = -1, f.children and -f.gcconsts or 0, -1 do
      local inner = info.funck(proto, k)
      if type(inner) == "proto" then own = own - look(inner) end
    end
    if not whole_file and own > 60 then
      wrong[#wrong + 1] = ("%s:%d: %d lines"):format(path, f.linedefined, own)
    end
    return span
  end
  look(assert(loadstring((read(path):gsub("^#![^\n]*", "")), "=" .. path)), true)
  return wrong
end

describe("Lua sources", function()
  it("have functions of at most 60 lines", function()
    local wrong, list = {}, files("lua tools bench examples", "*.lua")
    for _, path in ipairs(list) do
      if not path:find("_spec%.lua$") then
        for _, line in ipairs(long_functions(path)) do wrong[#wrong + 1] = line end
      end
    end
    assert(#list > 150, "files are somewhere else: change this spec")
    none(wrong)
  end)
end)

describe("a file", function()
  it("of the core, the Lua half or the tools has at most 500 lines", function()
    local wrong = {}
    local list = files("lua tools bench", "*.lua")
    for _, path in ipairs(sources("*.[ch]")) do list[#list + 1] = path end
    for _, path in ipairs(list) do
      local _, n = read(path):gsub("\n", "\n")
      if n > 500 then
        wrong[#wrong + 1] = ("%s: %d lines"):format(path, n)
      end
    end
    assert(#list > 150, "files are somewhere else: change this spec")
    none(wrong)
  end)
end)
