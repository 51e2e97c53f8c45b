-- No circles in core/ by calls, between files or folders; what is private in a folder stays there.
local graph = require "spec.support.graph"

local build = os.getenv("POMELUA_BUILD") or "build"

local function shell(format, ...)
  assert(os.execute(format:format(...)) == 0, "cannot run " .. format:format(...))
end

local function write(path, text)
  local f = assert(io.open(path, "w"))
  f:write(text)
  f:close()
end

local function lines_of(command)
  local list = {}
  local pipe = assert(io.popen(command))
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

local read = require("spec.support.files").read

-- The C files of a tree, from its root: not its tests, fuzzers and tools.
local function sources(root, ending)
  local list = {}
  for _, path in ipairs(lines_of(("cd '%s' && find . -name '*.%s' | sort"):format(root, ending))) do
    local file = path:gsub("^%./", "")
    if not file:find("^test/") and not file:find("^fuzz/") and not file:find("^tools/") then
      list[#list + 1] = file
    end
  end
  return list
end

local function names(root)
  local list = {}
  for i, file in ipairs(sources(root, "c")) do list[i] = file:gsub("%.c$", "") end
  return list
end

local function folder_of(file) return file:match("^([%w_]+)/") or "" end

-- Names that begin with pml__ are of one folder alone: a line for each other one.
local function strays(root)
  local seen, wrong = {}, {}
  for _, ending in ipairs { "c", "h" } do
    for _, file in ipairs(sources(root, ending)) do
      local code = read(root .. "/" .. file):gsub("/%*.-%*/", "")
      for name in code:gmatch("%f[%w_]pml__[%w_]+") do
        seen[name] = seen[name] or {}
        seen[name][folder_of(file)] = file
      end
    end
  end
  for _, name in ipairs(graph.sorted(seen)) do
    local where = graph.sorted(seen[name])
    if #where > 1 then
      wrong[#wrong + 1] = ("%s is private, and is in %s"):format(name, table.concat(where, " and "))
    end
  end
  return wrong
end

-- Headers that say what a folder's files know of each other, included from another folder.
local function foreign_headers(root)
  local wrong = {}
  for _, ending in ipairs { "c", "h" } do
    for _, file in ipairs(sources(root, ending)) do
      for inc in read(root .. "/" .. file):gmatch('#%s*include "(.-)"') do
        if (inc:find("_private%.h$") or inc:find("/state%.h$"))
          and folder_of(inc) ~= folder_of(file) then
          wrong[#wrong + 1] = file .. " includes " .. inc
        end
      end
    end
  end
  return wrong
end

-- Uses of struct fields whose comment begins with "private", outside of the folder of their
-- header. The compiler finds them: in a copy of the tree such fields are deprecated.
local function foreign_fields(root)
  local copy = os.tmpname()
  os.remove(copy)
  shell("mkdir '%s' && cp -r '%s/.' '%s'", copy, root, copy)
  local owner, marked = {}, 0
  for _, file in ipairs(sources(copy, "h")) do
    local text = (read(copy .. "/" .. file) .. "\n"):gsub("(.-)\n", function(line)
      local field, comment = line:match("^(%s+[%w_ *,%[%]]+;)(%s*/%* private.*)$")
      if not field then return line .. "\n" end
      marked = marked + 1
      for name in field:gmatch("([%w_]+)[%[%]%w_]*%s*[,;]") do
        owner[name] = owner[name] or {}
        owner[name][folder_of(file)] = true
      end
      local hidden = field:gsub("[,;]", ' __attribute__((deprecated("of %%1"))) %0')
      return hidden:gsub("%%1", folder_of(file)) .. comment .. "\n"
    end)
    write(copy .. "/" .. file, text)
  end
  local wrong = {}
  local flags = "$(pkg-config --cflags luajit libuv libmicrohttpd 2>/dev/null)"
  local out = lines_of(("cd '%s' && find . -name '*.c' -not -path './test/*' -not -path './fuzz/*' "
    .. "-not -path './tools/*' -print0 | xargs -0 -P 2 -n 16 ${CC:-gcc} -std=c11 -D_GNU_SOURCE "
    .. "-fsyntax-only -I. %s 2>&1"):format(copy, flags))
  for _, line in ipairs(out) do
    assert(not line:find(" error: ", 1, true), line)
    local file, n, field, of =
      line:match("^%.?/?([%w_/.]+):(%d+):.-warning: (.-) is deprecated: of (%w+)")
    if file and folder_of(file) ~= of then
      wrong[#wrong + 1] = ("%s:%s uses %s, which is private in %s"):format(file, n, field, of)
    end
  end
  shell("rm -r '%s'", copy)
  return wrong, marked
end

local function none(wrong)
  assert(#wrong == 0, "\n" .. table.concat(wrong, "\n"))
end

describe("the calls in core/", function()
  local calls = graph.calls(build .. "/obj", names("core"))

  it("go in no circle between files", function()
    local found = graph.circle(calls)
    assert(not found, found)
  end)

  it("go in no circle between folders", function()
    local found = graph.circle(graph.folders(calls))
    assert(not found, found)
  end)
end)

describe("what is private in a folder of core/", function()
  it("is named in no other folder", function() none(strays("core")) end)

  it("is included by no other folder", function() none(foreign_headers("core")) end)

  it("is touched in no other folder", function()
    local wrong, marked = foreign_fields("core")
    assert(marked > 20, "private fields are marked in another way: change this spec")
    none(wrong)
  end)
end)

-- A small tree in which every rule above is broken once.
describe("the rules about circles and private names", function()
  local root

  setup(function()
    root = os.tmpname()
    os.remove(root)
    for _, folder in ipairs { "core/low", "core/high", "obj/low", "obj/high" } do
      shell("mkdir -p '%s/%s'", root, folder)
    end
    write(root .. "/core/low/a.h", "typedef struct {\n  int open;\n  int n; /* private */\n} a;\n"
      .. "int pml__a(int n);\nint a_twice(int n);\n")
    write(root .. "/core/low/a.c", '#include "low/a.h"\nint b_half(int n);\n'
      .. "int pml__a(int n) { return n; }\nint a_twice(int n) { return n ? b_half(n) : 0; }\n")
    -- Its only reference upwards is the address of a function.
    write(root .. "/core/low/b.c", '#include "low/a.h"\nint c_use(a *x);\nint b_half(int n);\n'
      .. "extern int (*const b_table[1])(a *);\nint (*const b_table[1])(a *) = {c_use};\n"
      .. "int b_half(int n) { return n > 1 ? a_twice(n / 2) : 0; }\n")
    write(root .. "/core/low/x_private.h", "#define X 1\n")
    write(root .. "/core/high/c.c", '#include "low/a.h"\n#include "low/x_private.h"\n'
      .. "int c_use(a *x);\nint c_use(a *x) { return pml__a(x->n) + x->open; }\n")
    for _, name in ipairs(names(root .. "/core")) do
      shell("cd '%s/core' && ${CC:-gcc} -I. -c -o ../obj/%s.o %s.c", root, name, name)
    end
  end)

  teardown(function() shell("rm -r '%s'", root) end)

  it("find a circle of calls between files", function()
    local calls = graph.calls(root .. "/obj", names(root .. "/core"))
    assert.equal("a circle:\n  low/a -> low/b (b_half)\n  low/b -> low/a (a_twice)",
      graph.circle(calls, function(_, to) return folder_of(to) == "high" end))
  end)

  it("find a circle between folders that only a pointer to a function closes", function()
    local calls = graph.calls(root .. "/obj", names(root .. "/core"))
    assert.equal("a circle:\n  high -> low (high/c to low/a, pml__a)\n"
      .. "  low -> high (low/b to high/c, c_use)", graph.circle(graph.folders(calls)))
  end)

  it("find a private name, header and field in another folder", function()
    assert.same({ "pml__a is private, and is in high and low" }, strays(root .. "/core"))
    assert.same({ "high/c.c includes low/x_private.h" }, foreign_headers(root .. "/core"))
    assert.same({ "high/c.c:4 uses ‘n’, which is private in low" },
      (foreign_fields(root .. "/core")))
  end)

  it("find a circle of requires that one inside of a function closes", function()
    local files = {
      one = 'local two = require "app.two"\nreturn two\n',
      two = 'return function()\n  -- require "app.three"\n  return require("app.one")\nend\n',
      three = 'return { text = "require \'app.one\'" }\n',
    }
    local g = {}
    for name, text in pairs(files) do
      g[name] = {}
      for _, r in ipairs(graph.requires_in(text, "app%.")) do
        g[name][r.module:match("[^.]+$")] = "line " .. r.n
      end
    end
    assert.equal("a circle:\n  one -> two (line 1)\n  two -> one (line 3)", graph.circle(g))
  end)
end)
