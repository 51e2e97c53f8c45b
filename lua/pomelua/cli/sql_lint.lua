-- cli.sql_lint: finds SQL that is put together from values, db:query("... '" .. name .. "'"): a
-- player whose name holds a quotation mark writes the rest of such a statement.
local lint = {}

local METHODS = { query = true, exec = true }
local WORDS = {
  select = true, insert = true, update = true, delete = true, with = true, replace = true,
  create = true, alter = true, drop = true, merge = true, call = true, truncate = true,
}

-- The place behind a string or a comment that begins at `at`, and what kind of thing it is; a
-- string's text third. nil: something else begins there.
local function skip(text, at)
  local first = text:sub(at, at)
  local comment = text:find("^%-%-", at)
  local level = text:match(comment and "^%-%-%[(=*)%[" or "^%[(=*)%[", at)
  if level then
    local from = at + #level + (comment and 4 or 2)
    local stop, last = text:find("]" .. level .. "]", from, true)
    return (last or #text) + 1, comment and "comment" or "string", text:sub(from, (stop or 0) - 1)
  elseif comment then
    return text:find("\n", at, true) or #text + 1, "comment"
  elseif first == '"' or first == "'" then
    local place = at + 1
    while true do
      local stop = text:find("[\\\n" .. first .. "]", place)
      if not stop then return #text + 1, "string", text:sub(at + 1) end
      if text:sub(stop, stop) ~= "\\" then
        return stop + 1, "string", text:sub(at + 1, stop - 1)
      end
      place = stop + 2
    end
  end
end

-- The next token behind `at`: its kind ("string", "name", "number" or the sign itself), its text,
-- and the place behind it; nil at the end.
local function token(text, at)
  while true do
    at = text:find("%S", at)
    if not at then return nil end
    local after, kind, inside = skip(text, at)
    if kind == "string" then return "string", inside, after, at end
    if not kind then break end
    at = after
  end
  local name = text:match("^[%a_][%w_]*", at)
  if name then return "name", name, at + #name, at end
  local number = text:match("^%.?%d[%w.]*", at)
  if number then return "number", number, at + #number, at end
  local sign = text:match("^%.%.%.?", at) or text:match("^[=~<>]=", at) or text:sub(at, at)
  return sign, sign, at + #sign, at
end

local OPENS, CLOSES = { ["("] = 1, ["["] = 1, ["{"] = 1 }, { [")"] = 1, ["]"] = 1, ["}"] = 1 }

-- Where the first argument behind an opening parenthesis is put together, when it is SQL.
local function joined(text, at)
  local depth, sql, place, value, formats = 0, nil, nil, false, nil
  local before
  while true do
    local kind, inside, after, from = token(text, at)
    if not kind or depth == 0 and (kind == "," or kind == ")") then break end
    depth = depth + (OPENS[kind] or 0) - (CLOSES[kind] or 0)
    if kind == "string" then
      if sql == nil then sql = WORDS[(inside:match("^%s*(%a+)") or ""):lower()] or false end
    elseif kind == ".." then
      place = place or from
    elseif kind == "%" or kind == "name" and inside == "format"
      and (before == ":" or before == ".") then
      formats = formats or from
    elseif kind ~= "(" and kind ~= ")" then
      value = true
    end
    before, at = kind, after
  end
  return sql and (formats or value and place) or nil
end

---The lines of a Lua text in which the SQL of a query or exec is put together from values.
---@param text string
---@return number[] lines in order
function lint.lines(text)
  local found, at, line, counted = {}, 1, 1, 1
  local kinds = {}
  while true do
    local kind, inside, after = token(text, at)
    if not kind then return found end
    if kind == "(" and kinds[1] == "name" and METHODS[kinds.name] and kinds[2] == ":" then
      local place = joined(text, after)
      if place then
        local _, more = text:sub(counted, place - 1):gsub("\n", "")
        line, counted = line + more, place
        found[#found + 1] = line
      end
    end
    kinds = { kind, kinds[1], name = kind == "name" and inside or nil }
    at = after
  end
end

return lint
