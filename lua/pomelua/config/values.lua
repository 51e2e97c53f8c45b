-- values: checks of values in the files of an app's config folder, and how they fail: with one line
-- that names the file and the key.
local near = require "pomelua.base.near"
local tables = require "pomelua.base.tables"

local values = {}

---Whether a value of a JSON file is a list; an empty object may be one.
---@param value any
---@return boolean
function values.is_array(value)
  return type(value) == "table" and (value[1] ~= nil or next(value) == nil)
end

local fail_mt = { __tostring = function(f) return f.text end }
---Ends the check with one line.
---@param file string
---@param key string|nil
---@param text string
function values.fail(file, key, text)
  error(setmetatable({ text = file .. ": " .. (key and key .. ": " or "") .. text }, fail_mt), 0)
end

---Runs a check.
---@param fn function
---@param ... any for fn
---@return any|nil value what fn returns; nil when it failed
---@return string|nil message of values.fail
function values.checked(fn, ...)
  local ok, value = pcall(fn, ...)
  if ok then return value end
  if getmetatable(value) == fail_mt then return nil, value.text end
  error(value, 0)
end

---The part for this environment: {env: {...}}, or the file without that level.
---The values of a file with environments are objects, those of one without are not.
---@param name string of the file
---@param whole any
---@param env string
---@param has_env fun(whole: table): boolean
---@return table part
---@return string prefix of its keys in messages
function values.choose_env(name, whole, env, has_env)
  if type(whole) ~= "table" or values.is_array(whole) and next(whole) ~= nil then
    values.fail(name, nil, "must be an object")
  end
  if not has_env(whole) then return whole, "" end
  for _, key in ipairs(tables.sorted_keys(whole)) do
    if values.is_array(whole[key]) and next(whole[key]) ~= nil then
      values.fail(name, tables.word(key),
        "must not be beside environments; write it into each of them")
    end
  end
  local part = whole[env]
  if part == nil then
    local names = {}
    for i, key in ipairs(tables.sorted_keys(whole)) do names[i] = tables.word(key) end
    values.fail(name, nil, ("no environment %q (there are: %s%s)")
      :format(env, table.concat(names, ", "), near.hint(env, whole)))
  end
  if type(part) ~= "table" then values.fail(name, env, "must be an object") end
  return part, env .. "."
end

---@param name string of the file
---@param key string
---@param value any
---@return number port
function values.port_of(name, key, value)
  local port = type(value) == "string" and value:match("^%d+$") and tonumber(value) or value
  if type(port) ~= "number" or port % 1 ~= 0 or port < 0 or port > 65535 then
    values.fail(name, key, "must be a port, 0 to 65535, got " .. tables.shown(value))
  end
  return port
end

---@param name string of the file
---@param key string
---@param value any true, false, their names, or nil for false
---@return boolean
function values.flag_of(name, key, value)
  if value == nil or value == false or value == "false" then return false end
  if value == true or value == "true" then return true end
  values.fail(name, key, "must be true or false, got " .. tables.shown(value))
end

return values
