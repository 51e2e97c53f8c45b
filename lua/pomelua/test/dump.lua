-- test.dump: an SQLite database as SQL that makes it again.
local json = require "pomelua.base.json"

local dump = {}

-- Each question has one row as its answer, so that no limit of rows matters.
local TABLES = [[select json_group_array(name) as names from
  (select name from sqlite_master where type = 'table' and name not like 'sqlite@_%' escape '@'
  order by rowid)]]
local SCHEMA = [[select group_concat(sql, ';' || char(10)) as text from (select sql
  from sqlite_master where sql is not null and name not like 'sqlite@_%' escape '@'
  and (type = 'table') = MADE order by rowid)]]
local COLUMNS = [[select json_group_array(name) as names from pragma_table_xinfo(TABLE)
  where hidden = 0]]
local ROWS = [[select group_concat('insert into ' || TABLE || ' (' || NAMES || ') values ('
  || VALUES || ')', ';' || char(10)) as text from NAME]]

local function text_of(name) return "'" .. name:gsub("'", "''") .. "'" end
local function quoted(name) return '"' .. name:gsub('"', '""') .. '"' end

local function fill(sql, values)
  return (sql:gsub("%f[%w]%u%u%u%u%u*%f[%W]", values))
end

-- The statements that fill a table.
local function rows_of(ask, name)
  local rows, err = ask("query", fill(COLUMNS, { TABLE = text_of(name) }))
  if not rows then return nil, err end
  local names, values = {}, {}
  for i, column in ipairs(json.decode(rows[1].names)) do
    names[i], values[i] = quoted(column), ("quote(%s)"):format(quoted(column))
  end
  rows, err = ask("query", fill(ROWS, {
    TABLE = text_of(quoted(name)), NAMES = text_of(table.concat(names, ", ")),
    VALUES = table.concat(values, " || ', ' || "), NAME = quoted(name),
  }))
  return rows and (rows[1].text or ""), err
end

---@param ask fun(op: string, sql: string): any, table|nil asks the database
---@return string|nil sql
---@return pomelua.Error|nil err
function dump.of(ask)
  local parts = { "pragma defer_foreign_keys = on" }
  local function add(sql, values)
    local rows, err = ask("query", fill(sql, values))
    if rows and rows[1].text then parts[#parts + 1] = rows[1].text end
    return rows, err
  end
  local rows, err = add(SCHEMA, { MADE = "1" })
  if rows then rows, err = ask("query", TABLES) end
  if not rows then return nil, err end
  for _, name in ipairs(json.decode(rows[1].names)) do
    local text
    text, err = rows_of(ask, name)
    if not text then return nil, err end
    if text ~= "" then parts[#parts + 1] = text end
  end
  rows, err = add(SCHEMA, { MADE = "0" })
  if not rows then return nil, err end
  return table.concat(parts, ";\n")
end

return dump
