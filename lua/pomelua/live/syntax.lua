-- syntax: explains a compiler's message when the line is JavaScript and not Lua. It is used only
-- when a file does not compile.
local syntax = {}

-- The first pattern that matches the line gives the explanation.
local HABITS = {
  { "!==?", "unequal is ~= in Lua" },
  { "===", "equal is == in Lua" },
  { "=>", "a function is written function(a, b) ... end" },
  { "&&", "it is `and` in Lua" },
  { "||", "it is `or` in Lua" },
  { "%+%+", "it is x = x + 1 in Lua" },
  { "[%+%*/%-]=", "it is x = x + 1 in Lua: there is no += and the like" },
  { "^%s*//", "a comment begins with -- in Lua" },
  { "/%*", "a comment begins with -- in Lua, a long one is --[[ ... ]]" },
  { "^%s*var%s", "a variable begins with local in Lua" },
  { "^%s*let%s", "a variable begins with local in Lua" },
  { "^%s*const%s", "a variable begins with local in Lua" },
  { "function[%s%w_.:]*%b()%s*{", "a function is written function(a, b) ... end" },
  { "^%s*if%s*%b()%s*{", "it is if condition then ... end in Lua" },
  { "^%s*while%s*%b()%s*{", "it is while condition do ... end in Lua" },
  { "^%s*for%s*%b()%s*{?", "it is for i = 1, n do ... end in Lua" },
  { "^%s*switch%s*%(", "there is no switch in Lua: if a == 1 then ... elseif ... end" },
  { "^%s*try%s*{?%s*$", "there is no try in Lua: local ok, result = pcall(f, ...)" },
  { "}%s*catch", "there is no catch in Lua: local ok, result = pcall(f, ...)" },
  { "}%s*else", "a block ends with end in Lua: if ... then ... else ... end" },
  { "^%s*throw%s", "it is error(message) in Lua" },
  { "%f[%w_]continue%f[^%w_]", "there is no continue in Lua: goto continue, and ::continue:: "
    .. "where the loop ends" },
  { "else%s+if%f[^%w_]", "it is elseif in Lua: `else if` needs one more end" },
  { "`", "a text is written in \"\" or [[ ]] in Lua" },
  { "%?", "a ? b : c is a and b or c in Lua, where b is neither nil nor false" },
  { "!", "it is `not` in Lua" },
}

-- A line without what stands in its texts, and without what a Lua comment says.
local function bare(line)
  return (line:gsub('"[^"]*"', '""'):gsub("'[^']*'", "''"):gsub("%-%-.*", ""))
end

local function line_of(text, number)
  local at = 0
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do
    at = at + 1
    if at == number then return bare(line) end
  end
  return ""
end

-- An error at the end of a file may have its cause anywhere: only an `else if` explains it.
local function unclosed(message, text)
  if not message:find("'end' expected", 1, true) then return end
  local line = tonumber(message:match("at line (%d+)"))
  for number = line or 1, (line or 0) + 200 do
    if line_of(text, number):find("else%s+if%f[^%w_]") then
      return "line " .. number .. ": it is elseif in Lua, `else if` needs one more end"
    end
  end
end

---A compiler's message with what was meant, where that can be told.
---@param message string "app.lua:3: 'then' expected near '!'"
---@param text string of the file
---@return string
function syntax.explain(message, text)
  local number = tonumber(message:match(":(%d+): "))
  if not number then return message end
  local why = unclosed(message, text)
  for _, at in ipairs { number, number - 1 } do
    local line = not why and line_of(text, at) or ""
    for _, habit in ipairs(HABITS) do
      if not why and line:find(habit[1]) then why = habit[2] end
    end
  end
  return why and message .. "; " .. why or message
end

return syntax
