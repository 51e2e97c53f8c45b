-- near: the known name that a wrong one was meant to be, for messages.
local near = {}

local LONGEST = 64 -- letters of a name that is compared

-- How many letters must be changed, added, left out or swapped with their neighbour.
local function distance(a, b)
  local before, last = {}, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local least = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        least = math.min(least, before[j - 2] + 1)
      end
      row[j] = least
    end
    before, last = last, row
  end
  return last[#b]
end

-- People mostly mistake upper and lower case, and _ and -.
local function plain(name) return (name:lower():gsub("[_%-%s]", "")) end

---The known name that is nearest to a wrong one, when one is near enough: a letter in
---three may be wrong. Equal distances: the first in alphabetic order.
---@param name any
---@param known table<string, any>|string[] names as keys, or a list of them
---@param most number|nil how many letters may be wrong at most
---@return string|nil
function near.to(name, known, most)
  if type(name) ~= "string" or name == "" or #name > LONGEST then return nil end
  local names, text = {}, plain(name)
  for key, value in pairs(known) do
    local one = type(key) == "string" and key or value
    if type(one) == "string" then names[#names + 1] = one end -- a list may come from a file
  end
  table.sort(names)
  local best, least = nil, math.min(math.floor(math.max(3, #text) / 3), most or LONGEST) + 1
  for _, one in ipairs(names) do
    local other = plain(one)
    if one ~= name and math.abs(#other - #text) < least then
      local far = distance(text, other)
      if far < least then best, least = one, far end
    end
  end
  return best
end

---The nearest known name as the end of a sentence.
---@param name any
---@param known table<string, any>|string[]
---@return string hint "; did you mean X?", or ""
function near.hint(name, known)
  local one = near.to(name, known)
  return one and ("; did you mean %s?"):format(one) or ""
end

return near
