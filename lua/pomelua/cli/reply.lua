-- cli.reply: what commands print of the answers of a program.
local texts = require "pomelua.cli.text"

local reply = {}

---The end of an answer; with --json its last line stands there already.
---@param given table json
---@param ok boolean|nil
---@param message string|nil
---@return number status
function reply.finish(given, ok, message)
  if not ok then return texts.fail(1, message or "it did not work") end
  if message and not given.json then io.stdout:write(message, "\n") end
  return 0
end

---One line of an answer.
---@param one table
function reply.plain(one)
  local text = one.message or (one.ok and "ok" or "failed")
  local of = one.id and one.id .. ": " or ""
  if one.program then of = ("%s: %s"):format(one.program, of) end
  io.stdout:write(of, text, "\n")
end

---The words that a command was given, without its options.
---@param given table of command.parse
---@return string[]
function reply.words(given)
  local words = {}
  for i, word in ipairs(given) do words[i] = word end
  return words
end

return reply
