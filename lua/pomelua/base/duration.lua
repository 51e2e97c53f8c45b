-- duration: how long something lasts, as a person writes it: "90s", "15m", "24h", "7d", "2w", and
-- several of them: "1h30m".
local duration = {}

local UNITS = { s = 1, m = 60, h = 3600, d = 86400, w = 604800 }
local ORDER = { "d", "h", "m", "s" }
local MOST = 100 * 366 * 86400 -- a hundred years

---Whole seconds.
---@param text string|number "24h"; a number, and a text that is one, are seconds
---@return number|nil seconds at least 1
---@return string|nil message what is wrong with it, without the name of the option
function duration.seconds(text)
  local plain = type(text) == "number" or type(text) == "string" and text:find("^%d+$")
  local total, rest = plain and tonumber(text), type(text) == "string" and text or ""
  if not total then
    total = 0
    repeat
      local number, unit, behind = rest:match("^(%d+)([smhdw])(.*)$")
      total = number and total + tonumber(number) * UNITS[unit]
      rest = behind or ""
    until not number or rest == ""
  end
  if not total or total ~= total or total % 1 ~= 0 then
    return nil, ("must be a time as 90s, 15m, 24h, 7d or 2w, got %q"):format(tostring(text))
  end
  if total < 1 or total > MOST then
    return nil, ("must be from 1 second to 100 years, got %q"):format(tostring(text))
  end
  return total
end

---The two largest units of a time: "1 d 4 h", "59 s".
---@param seconds number
---@return string
function duration.text(seconds)
  local left, parts = math.max(0, math.floor(seconds)), {}
  for _, unit in ipairs(ORDER) do
    local n = math.floor(left / UNITS[unit])
    left = left - n * UNITS[unit]
    if n > 0 or unit == "s" and not parts[1] then parts[#parts + 1] = n .. " " .. unit end
    if #parts == 2 or parts[1] and n == 0 then break end
  end
  return table.concat(parts, " ")
end

return duration
