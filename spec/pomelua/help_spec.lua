-- What --help prints. Tests cli/help.lua.
local commands = require "pomelua.cli.commands"
local help = require "pomelua.cli.help"

describe("the help", function()
  it("of all commands shows each once, in its group", function()
    local text = help.all(commands)
    local place = 0
    for _, group in ipairs(commands.groups) do
      local at = text:find("\n" .. group.title .. ":\n", 1, true)
      assert(at > place)
      place = at
      for _, entry in ipairs(commands.list) do
        if entry.group == group.name then
          local from = text:find("\n  " .. entry.name .. " +" .. entry.summary:sub(1, 10), place)
          assert(from, entry.name)
          assert.is_nil(text:find("\n  " .. entry.name .. " ", from + 1, true), entry.name)
        end
      end
    end
  end)

  it("of a command has usage, options, examples and exit statuses", function()
    for _, entry in ipairs(commands.list) do
      local text = help.of(entry)
      assert.matches("^Usage: pomelua " .. entry.name .. " [^\n]+\n\n", text)
      for _, row in ipairs(entry.options) do
        assert(text:find("\n  " .. help.label(row), 1, true), row[1])
      end
      assert(text:find("\n  " .. entry.examples[1][1] .. "\n", 1, true))
      local statuses = assert(text:match("\nExit status:\n(.*)"))
      for status in pairs(entry.statuses) do
        assert.matches("%f[%w]" .. status .. " ", statuses)
      end
    end
  end)

  it("fits into 80 columns, but for examples", function()
    for _, entry in ipairs(commands.list) do
      for line in help.of(entry):gmatch("[^\n]+") do
        assert(#line <= 80 or line:find("^  pomelua "), line)
      end
    end
    for line in help.all(commands):gmatch("[^\n]+") do assert(#line <= 80, line) end
  end)

  it("keeps paragraphs, and lines that stand by themselves", function()
    assert.same({ { text = "a b" }, { lines = { "  x = 1", "  y" } }, { text = "c" } },
      help.paragraphs "a\nb\n\n  x = 1\n  y\n\nc\n")
    assert.same({ "aa bb", "cccccccc", "d" }, help.wrap("aa  bb cccccccc\nd", 6))
    assert.same({ { "0", "a" }, { "70", "b" }, { "other", "c" } },
      help.statuses { [70] = "b", other = "c", [0] = "a" })
  end)
end)
