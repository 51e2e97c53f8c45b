-- migrations: the files app/migrations/<database>/NNN_name.sql, which make a database's tables, in
-- the order of their numbers; and what a database that has run some of them lacks.
local digest = require "pomelua.base.digest"
local files = require "pomelua.base.files"
local json_file = require "pomelua.base.json_file"
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"

local migrations = {}

local FOLDER = "app/migrations"
local MOST = 999999999 -- the number of a file
local LONGEST = 200 -- bytes of a file's name
local BOM = "\239\187\191" -- as Windows editors write it

---@class pomelua.Migration
---@field number number
---@field name string of the file: "001_players.sql"
---@field path string from the app's folder
---@field text string
---@field checksum string in hexadecimal; line ends of Windows do not change it

-- What ends the transaction that a migration is, by its line.
local ENDS = {
  "^begin%s*;", "^begin%s+transaction", "^start%s+transaction", "^commit%s*;", "^commit%s+",
  "^rollback%s*;", "^end%s+transaction",
}

-- What makes a file no text of UTF-8, behind its name; nil: it is one.
local function no_text(text)
  local number = 0
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do
    number = number + 1
    if line:find("%z") then return ("%d: a NUL character; this is no text"):format(number) end
    if line:find("[\128-\255]") and not json_file.is_utf8(line) then
      return ("%d: bytes that are not UTF-8; save the file as UTF-8"):format(number)
    end
  end
end

-- The number of the line that begins or ends a transaction.
local function transaction_line(text)
  local number = 0
  for line in (text .. "\n"):gmatch("(.-)\r?\n") do
    number = number + 1
    local plain = line:lower():match("^%s*(.*)$")
    for _, pattern in ipairs(ENDS) do
      if plain:find(pattern) then return number end
    end
  end
end

local function read_one(base, path, name)
  local number = name:match("^(%d+)_[%w_.-]+%.sql$")
  if not number or tonumber(number) > MOST or #name > LONGEST then
    return nil, path .. ": a migration is named NNN_name.sql, a number and letters, digits, _ and -"
  end
  local text, message = files.read(base .. "/" .. path)
  if not text then return nil, path .. message:sub(#base + #path + 2) end
  if not text:find("%S") then return nil, path .. ": the file is empty" end
  text = text:gsub("^" .. BOM, "")
  local wrong = no_text(text)
  if wrong then return nil, path .. ":" .. wrong end
  local line = transaction_line(text)
  if line then
    return nil, ("%s:%d: a migration is one transaction by itself; take BEGIN, COMMIT and ROLLBACK "
      .. "out"):format(path, line)
  end
  return {
    number = tonumber(number), name = name, path = path, text = text,
    checksum = digest.sha256((text:gsub("\r\n", "\n"))),
  }
end

---The migrations of a database, in order.
---@param base string the app's folder
---@param database string
---@param fault fun(text: string)|nil gets each error, in the place of the first one's return
---@return pomelua.Migration[]|nil list empty when there is no folder
---@return string|nil message one line with the file
function migrations.read(base, database, fault)
  local folder = FOLDER .. "/" .. database
  if not files.exists(base .. "/" .. folder) then return {} end
  local names, message = files.list(base .. "/" .. folder)
  local first
  local function tell(text)
    first = first or text
    if fault then fault(text) end
  end
  if not names then return nil, folder .. message:sub(#base + #folder + 2) end
  local list, by_number = {}, {}
  for _, name in ipairs(names) do
    if name:lower():find("%.sql$") then
      local one, wrong = read_one(base, folder .. "/" .. name, name)
      local other = one and by_number[one.number]
      if wrong then
        tell(wrong)
      elseif other then
        tell(("%s: %s has the same number; each has one of its own"):format(one.path, other.name))
      else
        list[#list + 1], by_number[one.number] = one, one
      end
    end
  end
  if first and not fault then return nil, first end
  table.sort(list, function(a, b) return a.number < b.number end)
  return list
end

-- Whether a database has a file that would be run, or be refused.
local function has_some(base, database)
  local folder = base .. "/" .. FOLDER .. "/" .. database
  for _, name in ipairs(files.is_folder(folder) and files.list(folder) or {}) do
    if name:lower():find("%.sql$") then return true end
  end
  return false
end

-- What two definitions of one database have in common; nil: it is not known where it is.
local function place_of(one)
  local at = one.options
  if at.file then return "file " .. files.place(at.file) end
  if not at.host or not at.database then return nil end
  return ("%s %s %s %s"):format(one.kind, at.host:lower(), at.port, at.database)
end

---Two definitions of one database that both have migrations. The database remembers numbers, and
---not whose they are, so files of one of the two would not be run.
---@param base string the app's folder
---@param all pomelua.DatabaseDefinition[] those with tables
---@return pomelua.DatabaseDefinition|nil one
---@return string|nil message
function migrations.twice(base, all)
  local by_place = {}
  for _, one in ipairs(all) do
    local place = has_some(base, one.name) and place_of(one)
    local other = place and by_place[place]
    if other then
      return one, ("it is the same database as %s, %s, and both have migrations: put all of "
        .. "them into %s/%s, with numbers of their own"):format(other.name, one.shown,
        FOLDER, other.name)
    end
    if place then by_place[place] = one end
  end
end

---What in app/migrations belongs to no database, or to one without tables.
---@param base string the app's folder
---@param kinds table<string, string> kinds of the databases, by name
---@param has_tables fun(kind: string): boolean
---@return string[] texts
function migrations.strays(base, kinds, has_tables)
  local texts = {}
  local names = files.is_folder(base .. "/" .. FOLDER) and files.list(base .. "/" .. FOLDER) or {}
  for _, name in ipairs(names) do
    local path = FOLDER .. "/" .. name
    if not files.is_folder(base .. "/" .. path) then
      if name:find("%.sql$") then
        texts[#texts + 1] = ("%s: it is not run there; put it into %s/<database>"):format(path,
          FOLDER)
      end
    elseif not kinds[name] then
      texts[#texts + 1] = ("%s: config/databases.json has no database of this name%s"):format(path,
        near.hint(name, kinds))
    elseif not has_tables(kinds[name]) then
      texts[#texts + 1] = ("%s: a database of the kind %s has no tables, so nothing of it is run")
        :format(path, kinds[name])
    end
  end
  return texts
end

---What is to be done, and what is strange, in a database that has run some migrations.
---@param database string
---@param list pomelua.Migration[]
---@param done table<number, {name: string, checksum: string, at: string}> by number
---@return pomelua.Migration[]|nil pending in order
---@return string[]|string notes what has changed or is missing; or the error
function migrations.plan(database, list, done)
  local notes, pending, files_of = {}, {}, {}
  local last
  for number in pairs(done) do last = math.max(number, last or number) end
  for _, one in ipairs(list) do
    local before = done[one.number]
    files_of[one.number] = true
    if not before and last and one.number < last then
      return nil, ("%s: it comes before %s, which was run already; give it a number above %d")
        :format(one.path, done[last].name, last)
    elseif not before then
      pending[#pending + 1] = one
    elseif before.name ~= one.name then
      return nil, ("%s: the database has run %s with this number, on %s; give the file its old "
        .. "name back, or a number above %d"):format(one.path, before.name, before.at, last)
    elseif before.checksum ~= one.checksum then
      notes[#notes + 1] = ("%s: it was run as %s on %s and has changed since; what has changed is "
        .. "not in the database: write it into a new file"):format(one.path, before.name, before.at)
    end
  end
  for _, number in ipairs(tables.sorted_keys(done)) do
    if not files_of[number] then
      notes[#notes + 1] = ("%s/%s/%s: it was run on %s, and the file is not there"):format(FOLDER,
        database, done[number].name, done[number].at)
    end
  end
  return pending, notes
end

migrations.FOLDER = FOLDER

return migrations
