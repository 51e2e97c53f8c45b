-- The table of commands: every entry says what its help, its man page and its completion need, and
-- its examples can be given as they stand.
-- Tests cli/command.lua, cli/commands.lua, cli/shared.lua and the entries, also of cli/console.lua
-- and cli/own.lua. What cli/reply.lua prints is seen in spec/program/operator_spec.lua.
local command = require "pomelua.cli.command"
local commands = require "pomelua.cli.commands"
local modules = require "pomelua.ops.modules"
local own = require "pomelua.cli.own"
local tree = require "spec.support.tree"
local uv = require "luv"

local KINDS = {
  dir = true, file = true, lua = true, env = true, id = true, ids = true, type = true,
  types = true, database = true,
}

-- The words of a command line, as a shell reads one with quotes.
local function words_of(line)
  local words, i = {}, 1
  while i <= #line do
    local quoted, after = line:match("^'([^']*)'()", i)
    local plain, behind = line:match("^([^%s']+)()", i)
    if quoted or plain then
      words[#words + 1] = quoted or plain
      i = after or behind
    else
      i = i + 1
    end
  end
  return words
end

-- Each call of pomelua in an example: `pomelua check && pomelua reload` has two.
local function calls_of(line)
  local list = {}
  for part in (line .. "|"):gsub("&&", "|"):gmatch("(.-)|") do
    local words = words_of(part)
    if words[1] == "pomelua" then
      table.remove(words, 1)
      list[#list + 1] = words
    end
  end
  return list
end

local entries = { own.command("online") }
for _, entry in ipairs(commands.list) do entries[#entries + 1] = entry end

describe("the table of commands", function()
  local base, before

  setup(function()
    base = tree.new { ["game/app.lua"] = "", ["bots.lua"] = "" }
    before = uv.cwd()
    assert(uv.chdir(base))
  end)
  teardown(function()
    uv.chdir(before)
    tree.remove(base)
  end)

  for _, entry in ipairs(entries) do
    it("says all of " .. entry.name, function()
      for _, field in ipairs { "summary", "usage", "text" } do
        assert.is_string(entry[field], field)
      end
      assert.is_nil(entry.summary:find("[.\n]$"))
      assert.is_true(#entry.examples >= 1)
      for status = 0, 2 do assert.is_string(entry.statuses[status], "status " .. status) end
      local known = {}
      for _, row in ipairs(entry.options) do
        assert.is_string(row.field, row[1])
        assert.is_nil(row.text:find("[.\n]$"), row[1])
        assert(not row.kind or KINDS[row.kind], row.kind)
        assert(row.value or not (row.kind or row.choices or row.many or row.empty), row[1])
        for _, name in ipairs(row) do
          assert.matches("^%-%-?%l[%l%-]*$", name)
          assert(not known[name], name .. " is there twice")
          known[name] = true
        end
      end
      assert(known["--help"])
    end)

    it("has examples of " .. entry.name .. " that can be given", function()
      for _, example in ipairs(entry.examples) do
        local found = false
        for _, words in ipairs(calls_of(example[1])) do
          local name = table.remove(words, 1)
          found = found or name == entry.name
          local one = name == entry.name and entry or assert(commands.by_name[name], name)
          local given, message = command.parse(one, words)
          assert(given, ("%s: %s"):format(example[1], tostring(message)))
          assert.is_nil(given.help)
        end
        assert(found, example[1] .. " is no example of " .. entry.name)
        assert.is_string(example[2])
      end
    end)

    it("has options of " .. entry.name .. " that can be given, with their values", function()
      for _, row in ipairs(entry.options) do
        for _, name in ipairs(row) do
          local given = command.parse({ name = entry.name, options = entry.options, words = {} },
            { name, row.value and (row.choices or { "x" })[1] })
          assert.is_truthy(given and given[row.field], name)
          if row.value then
            local _, message = command.parse(entry, { name })
            assert.equal(name .. " needs a value", message)
          end
        end
      end
    end)
  end

  it("has each command in a group, with what it names", function()
    local groups, variables, paths = {}, {}, {}
    for _, group in ipairs(commands.groups) do groups[group.name] = 0 end
    for _, row in ipairs(commands.environment) do variables[row[1]] = true end
    for _, row in ipairs(commands.files) do paths[row[1]] = true end
    for _, entry in ipairs(commands.list) do
      groups[entry.group] = groups[entry.group] + 1
      for _, name in ipairs(entry.environment or {}) do assert(variables[name], name) end
      for _, name in ipairs(entry.files or {}) do assert(paths[name], name) end
      for _, name in ipairs(entry.see or {}) do
        assert(commands.by_name[name] and name ~= entry.name, name)
      end
    end
    for name, count in pairs(groups) do assert(count > 2, name) end
  end)

  it("has the names that a game's own commands may not have", function()
    for name in pairs(modules.COMMANDS) do
      assert(commands.by_name[name] or name == "help" or name == "version", name)
    end
  end)

  it("has the options of the load generator", function()
    local file = assert(io.open(before .. "/core/tools/load/options.c"))
    local text, told, count = file:read("*a"), {}, 0
    file:close()
    for _, row in ipairs(commands.by_name.bench.options) do told[row[1]] = row end
    for name in text:gmatch('{"(%-%-[%l-]+)", AT') do
      assert(told[name], name .. " is not in cli/bench.lua")
      count = count + 1
    end
    assert.equal(count + 2, #commands.by_name.bench.options) -- --mode and --help
  end)
end)
