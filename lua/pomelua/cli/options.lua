-- cli.options: the words after a command: options, which all commands read alike by their rows in
-- the table of commands, and the folder of the app, which stands among ids and modules where a
-- command takes these.
local files = require "pomelua.base.files"
local near = require "pomelua.base.near"

local options = {}

---An option of a command. Its names are [1], [2], ...: the way it is shown is the same.
---@class pomelua.Option
---@field [integer] string "-d", "--directory"
---@field value string|nil what the value is called, "DIR"; nil: the option is a flag
---@field field string of the result of parse
---@field text string what it does, one sentence without a full stop
---@field many boolean|nil may stand more than once: the field is a list
---@field choices string[]|nil the values that there are
---@field empty boolean|nil the value may be ""
---@field kind string|nil what the value is, for completion: dir, file, lua, env, id, ids, type,
---types, database, json

-- Whether a word is a folder's name whatever there is: an id or a module is no path, KEY=VALUE
-- neither.
local function is_path(word)
  return word == "." or word == ".." or word:find("^[^=]*/") ~= nil
end

local function is_app(dir)
  return files.exists(dir .. "/app.lua") or files.is_folder(dir .. "/.pomelua")
end

-- The rows by each of their names.
local function by_name(rows)
  local known = {}
  for _, row in ipairs(rows) do
    for _, name in ipairs(row) do known[name] = row end
  end
  return known
end

-- "a, b or c".
local function one_of(list)
  return table.concat(list, ", ", 1, #list - 1) .. (#list > 1 and " or " or "") .. list[#list]
end

-- Why a row's option cannot have a value, or nil.
local function unfit(row, name, value)
  if not value or value == "" and not row.empty or value:sub(1, 2) == "--" then
    return name .. " needs a value"
  end
  for _, choice in ipairs(row.choices or { value }) do
    if choice == value then return nil end
  end
  return ("%s must be %s, got %q%s"):format(name, one_of(row.choices), value,
    near.hint(value, row.choices))
end

local function put(given, row, value)
  if not row.many then
    given[row.field] = value
    return
  end
  given[row.field] = given[row.field] or {}
  table.insert(given[row.field], value)
end

-- Reads the option at args[i]; gives the place of its last word.
local function read(given, known, args, i)
  local word = args[i]
  local name, value = word:match("^(%-%-[%w%-]+)=(.*)$")
  name = name or word
  local row = known[name]
  if not row then return nil, "unknown option " .. name .. near.hint(name, known) end
  if not row.value then
    if value then return nil, name .. " takes no value" end
    given[row.field] = true
    return i
  end
  if not value then
    i = i + 1
    value = args[i]
  end
  local message = unfit(row, name, value)
  if message then return nil, message end
  put(given, row, value)
  return i
end

---Reads --name VALUE, --name=VALUE, --flag and words; after -- there are only words.
---@param args string[]
---@param rows pomelua.Option[]
---@param way table|nil script: the first word ends the options, and all behind it are words;
---rest: the words behind -- are given as the list `rest`
---@return table|nil given by the rows' fields; the words by number
---@return string|nil message
function options.parse(args, rows, way)
  local given, known, into, i = {}, by_name(rows), nil, 1
  while i <= #args do
    local word = args[i]
    if into or word:sub(1, 1) ~= "-" then
      into = into or way and way.script and given
      table.insert(into or given, word)
    elseif word == "--" then
      into = way and way.rest and {} or given
      if into ~= given then given.rest = into end
    else
      local last, message = read(given, known, args, i)
      if not last then return nil, message end
      i = last
    end
    i = i + 1
  end
  return given
end

---Takes the folder out of the words of a command that has no others: `list DIR`, `start DIR`.
---@param given table of parse; its field dir is set when there is one
---@return table|nil given
---@return string|nil message
function options.only_folder(given)
  local word = given[1]
  local other = given[2] or given.dir and word
  if other then
    return nil, ("give one folder, not %q and %q"):format(given.dir or word, other)
  end
  given.dir, given[1] = given.dir or word, nil
  return given
end

-- A word without a slash that names a folder here: whether it is the app's. In a folder that is
-- an app itself it may as well be an id.
local function named_folder(word, what)
  if word:find("=", 1, true) or not is_app(word) then return false end
  if not is_app(".") then return true end
  return nil, ("%q is the folder of an app, and may be %s: write ./%s for the folder, or -d . "
    .. "before what belongs to the app in this one"):format(word, what, word)
end

---Takes the folder out of words that are ids or modules otherwise: `stop DIR chat-1`. A word
---with a slash is a folder; one without is, when an app lies there and none in this folder.
---With -d all words are what the command takes.
---@param given table of parse; its field dir is set when there is one
---@param what string what the other words are: "the id of a server"
---@return table|nil given
---@return string|nil message
function options.folder_among(given, what)
  if given.dir then return given end
  for i = #given, 1, -1 do
    local word = given[i]
    local folder, message = is_path(word), nil
    if folder and not files.is_folder(word) then return nil, "there is no folder " .. word end
    if not folder then folder, message = named_folder(word, what) end
    if message then return nil, message end
    if folder and given.dir then
      return nil, ("give one folder, not %q and %q"):format(word, given.dir)
    elseif folder then
      given.dir = table.remove(given, i)
    end
  end
  return given
end

return options
