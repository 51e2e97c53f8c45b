-- manual: the man pages, pomelua.1 and pomelua-COMMAND.1, from the table of commands.
local commands = require "pomelua.cli.commands"
local core = require "pomelua.core"
local help = require "pomelua.cli.help"
local own = require "pomelua.cli.own"

local manual = {}

local WIDTH = 66 -- of lines of the source, which groff fills anew

-- A text as groff reads it: what would be a command, or another character, stands for itself.
local SPECIAL = {
  ["\\"] = "\\e", ["-"] = "\\-", ["'"] = "\\(aq", ["`"] = "\\(ga", ["^"] = "\\(ha", ["~"] = "\\(ti",
}
local function escaped(text)
  text = text:gsub("[\\%-'`^~]", SPECIAL)
  return text:sub(1, 1) == "." and "\\&" .. text or text
end

-- A text in words: options are bold.
local function words(text)
  return (escaped(text):gsub("%f[%S](\\%-[\\%-]*%l[%l\\%-]*)", "\\fB%1\\fR"))
end

-- What a person writes: options and names bold, what stands for something else italic.
local function usage(text)
  text = escaped(text):gsub("%f[%w]%u[%u]+%f[%W]", "\\fI%0\\fR")
  return (text:gsub("%f[%S\\]\\%-[\\%-]*%l[%l\\%-]*", "\\fB%0\\fR"))
end

-- Each sentence begins a line, so that groff knows its end.
local function fill(out, text)
  for sentence in (text:gsub("%s+", " "):gsub("([.?]) (%u)", "%1\n%2") .. "\n"):gmatch("(.-)\n") do
    for _, line in ipairs(help.wrap(sentence, WIDTH)) do out[#out + 1] = words(line) end
  end
end

local function section(out, title) out[#out + 1] = ".SH " .. title:upper() end

local function paragraphs(out, text)
  for i, one in ipairs(help.paragraphs(text)) do
    if i > 1 then out[#out + 1] = ".PP" end
    if one.lines then
      out[#out + 1] = ".nf"
      for _, line in ipairs(one.lines) do out[#out + 1] = escaped(line) end
      out[#out + 1] = ".fi"
    else
      fill(out, one.text)
    end
  end
end

-- A list of labels, which are laid out already, and texts.
local function labelled(out, list)
  for _, row in ipairs(list) do
    out[#out + 1] = ".TP"
    out[#out + 1] = row[1]
    fill(out, row[2])
  end
end

local function bold(text) return "\\fB" .. escaped(text) .. "\\fR" end
local function italic(text) return "\\fI" .. escaped(text) .. "\\fR" end

local function option_rows(rows)
  local list = {}
  for i, row in ipairs(rows) do
    local names = {}
    for k, name in ipairs(row) do names[k] = bold(name) end
    local value = row.value and " " .. usage(row.value) or ""
    list[i] = { table.concat(names, ", ") .. value, row.text }
  end
  return list
end

local function status_rows(statuses)
  local list = help.statuses(statuses)
  for _, row in ipairs(list) do row[1] = bold(row[1]) end
  return list
end

-- The rows of a list of commands.lua whose names an entry has; all of them without names.
local function named_rows(all, names, style)
  local wanted, list = {}, {}
  for _, name in ipairs(names or {}) do wanted[name] = true end
  for _, row in ipairs(all) do
    if not names or wanted[row[1]] then list[#list + 1] = { style(row[1]), row[2] } end
  end
  return list
end

local function listed(out, title, rows)
  if not rows[1] then return end
  section(out, title)
  labelled(out, rows)
end

-- The last change of the sources as builds that can be repeated name it; nothing else is the same
-- each time.
local function date()
  local seconds = tonumber(os.getenv("SOURCE_DATE_EPOCH") or "")
  return seconds and os.date("!%Y-%m-%d", seconds) or ""
end

local function head(out, name, summary)
  out[#out + 1] = '.\\" Made from lua/pomelua/cli/commands.lua by tools/pages.lua.'
  out[#out + 1] = ('.TH %s 1 "%s" "pomelua %s" "User Commands"'):format(
    escaped(name:upper()), date(), core.version)
  section(out, "name")
  out[#out + 1] = escaped(name) .. " \\- " .. escaped(summary)
  section(out, "synopsis")
end

local function examples(out, list)
  section(out, #list > 1 and "examples" or "example")
  for _, one in ipairs(list) do
    out[#out + 1] = ".TP"
    out[#out + 1] = bold(one[1])
    fill(out, one[2])
  end
end

local function see_also(out, pages)
  section(out, "see also")
  for i, page in ipairs(pages) do
    local name, part = page:match("^(.*)%((%d)%)$")
    out[#out + 1] = (".BR %s (%s)%s"):format(escaped(name), part, pages[i + 1] and "," or "")
  end
end

local function done(out) return table.concat(out, "\n") .. "\n" end

---The page of a command.
---@param entry pomelua.Command
---@return string
function manual.command(entry)
  local out = {}
  head(out, "pomelua-" .. entry.name, entry.summary)
  out[#out + 1] = ("%s %s"):format(bold("pomelua " .. entry.name), usage(entry.usage))
  section(out, "description")
  paragraphs(out, entry.text)
  listed(out, "options", option_rows(entry.options))
  if entry.name == "start" then listed(out, "signals", named_rows(commands.signals, nil, bold)) end
  listed(out, "exit status", status_rows(entry.statuses))
  listed(out, "environment", named_rows(commands.environment, entry.environment or {}, bold))
  listed(out, "files", named_rows(commands.files, entry.files or {}, italic))
  examples(out, entry.examples)
  local pages = { "pomelua(1)" }
  for _, name in ipairs(entry.see or {}) do pages[#pages + 1] = ("pomelua-%s(1)"):format(name) end
  if entry.name == "test" then pages[#pages + 1] = "busted(1)" end
  see_also(out, pages)
  return done(out)
end

---The page of the program.
---@return string
function manual.all()
  local out = {}
  head(out, "pomelua", "a game server that is scripted in Lua")
  out[#out + 1] = bold("pomelua") .. " " .. usage("COMMAND [options]")
  section(out, "description")
  paragraphs(out, commands.about .. "\n\n" .. commands.text)
  section(out, "commands")
  for _, group in ipairs(commands.groups) do
    out[#out + 1] = ".SS " .. escaped(group.title)
    local list = {}
    for _, entry in ipairs(commands.list) do
      if entry.group == group.name then
        list[#list + 1] = { bold(entry.name) .. " " .. usage(entry.usage), entry.summary .. "; see "
          .. ("pomelua-%s(1)"):format(entry.name) }
      end
    end
    labelled(out, list)
  end
  local game = own.command "NAME"
  out[#out + 1] = ".SS " .. escaped("The game's own commands")
  labelled(out, { { italic(game.name) .. " " .. usage(game.usage),
    game.text:gsub('"NAME"', "NAME"):gsub("%s+$", "") } })
  out[#out + 1] = ".RS"
  labelled(out, option_rows(game.options))
  out[#out + 1] = ".RE"
  listed(out, "options", option_rows(commands.options))
  listed(out, "signals", named_rows(commands.signals, nil, bold))
  listed(out, "exit status", status_rows(commands.statuses))
  listed(out, "environment", named_rows(commands.environment, nil, bold))
  listed(out, "files", named_rows(commands.files, nil, italic))
  local pages = {}
  for i, entry in ipairs(commands.list) do pages[i] = ("pomelua-%s(1)"):format(entry.name) end
  for _, page in ipairs { "busted(1)", "luacheck(1)", "luajit(1)" } do pages[#pages + 1] = page end
  see_also(out, pages)
  return done(out)
end

return manual
