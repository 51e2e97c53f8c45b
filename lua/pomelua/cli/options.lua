-- cli.options: the words after a command: options, which all commands read alike, and the folder
-- of the app, which stands among ids and modules where a command takes these.
local files = require "pomelua.base.files"

local options = {}

-- Whether a word is a folder's name whatever there is: an id or a module is no path, KEY=VALUE
-- neither.
local function is_path(word)
  return word == "." or word == ".." or word:find("^[^=]*/") ~= nil
end

local function is_app(dir)
  return files.exists(dir .. "/app.lua") or files.is_folder(dir .. "/.pomelua")
end

---Reads --name VALUE, --name=VALUE, --flag and words; after -- there are only words.
---@param args string[]
---@param takes table values = {["--env"] = "env"}, flags = {["--json"] = "json"}
---@return table|nil given by these names; the words by number
---@return string|nil message
function options.parse(args, takes)
  local given, i = {}, 1
  while i <= #args do
    local word = args[i]
    local name, value = word:match("^(%-%-[%w%-]+)=(.*)$")
    name = name or word
    if given.words_only or word:sub(1, 1) ~= "-" then
      given[#given + 1] = word
    elseif word == "--" then
      given.words_only = true
    elseif takes.values[name] then
      if not value then
        i = i + 1
        value = args[i]
      end
      if not value or value == "" or value:sub(1, 2) == "--" then
        return nil, name .. " needs a value"
      end
      given[takes.values[name]] = value
    elseif takes.flags[name] then
      if value then return nil, name .. " takes no value" end
      given[takes.flags[name]] = true
    else
      return nil, "unknown option " .. name
    end
    i = i + 1
  end
  given.words_only = nil
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
