-- The man pages that `make` writes: one for the program and one for each command, from the table of
-- commands. Tests tools/pages.lua and tools/manual.lua.
local app = require "spec.support.app"
local commands = require "pomelua.cli.commands"
local net = require "spec.support.net"
local read = require("spec.support.files").read
local tree = require "spec.support.tree"

local BUILD = os.getenv("POMELUA_BUILD") or "build"

local function output(command)
  local pipe = io.popen(command .. " 2>&1")
  local text = pipe:read("*a")
  pipe:close()
  return text
end

-- Writes the pages anew.
local function write(dir, env)
  local process = net.spawn(net.built("pomelua"), { "run", "tools/pages.lua", dir }, { env = env })
  assert.equal(0, (process:waitExit(app.patience)), process.err)
end

describe("the man pages", function()
  local names = { "pomelua" }
  for _, entry in ipairs(commands.list) do names[#names + 1] = "pomelua-" .. entry.name end

  it("are one for the program and one for each command", function()
    local found = output(("ls %s/man/*.1 | wc -l"):format(BUILD))
    assert.equal(#names, tonumber(found))
  end)

  it("are without a fault for man and groff", function()
    local said = output(([[for f in %s/man/*.1; do
      LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l -Tutf8 -Z "$f" >/dev/null
      groff -ww -man -Tutf8 "$f" >/dev/null
    done]]):format(BUILD))
    assert.equal("", said)
  end)

  it("say all that the table says of a command", function()
    local text = output(("groff -man -Tutf8 -P-c -rLL=500n -rHY=0 %s/man/*.1 | col -bx")
      :format(BUILD)):gsub("%s+", " ")
    local function has(said)
      assert(text:find(said:gsub("%s+", " "), 1, true), said)
    end
    for _, entry in ipairs(commands.list) do
      has(("pomelua-%s - %s"):format(entry.name, entry.summary))
      has(("pomelua %s %s"):format(entry.name, entry.usage))
      for _, row in ipairs(entry.options) do
        has(table.concat(row, ", ") .. (row.value and " " .. row.value or "") .. " " .. row.text)
      end
      for status, said in pairs(entry.statuses) do has(status .. " " .. said) end
      for _, example in ipairs(entry.examples) do has(example[1] .. " " .. example[2]) end
      for _, name in ipairs(entry.see) do has(("pomelua-%s(1)"):format(name)) end
    end
    for _, list in ipairs { commands.signals, commands.environment, commands.files } do
      for _, row in ipairs(list) do has(row[1] .. " " .. row[2]) end
    end
  end)

  it("are the same each time, with the date of SOURCE_DATE_EPOCH or without one", function()
    local dir = tree.new { ["a/x"] = "", ["b/x"] = "", ["c/x"] = "" }
    write(dir .. "/a", { SOURCE_DATE_EPOCH = "" })
    write(dir .. "/b", { SOURCE_DATE_EPOCH = "" })
    write(dir .. "/c", { SOURCE_DATE_EPOCH = "86400", TZ = "America/New_York" })
    assert.equal("", output(("diff -r %s/a %s/b"):format(dir, dir)))
    assert.matches('\n%.TH POMELUA 1 "" "pomelua %d', read(dir .. "/a/pomelua.1"))
    assert.matches('\n%.TH POMELUA\\%-LIST 1 "1970%-01%-02" "pomelua %d',
      read(dir .. "/c/pomelua-list.1"))
    assert.equal(read(dir .. "/a/pomelua.bash"), read(dir .. "/c/pomelua.bash"))
    tree.remove(dir)
    net.closeAll()
  end)
end)
