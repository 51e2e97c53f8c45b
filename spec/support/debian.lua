-- A Debian for the commands of a document: this machine's files under an overlay that is thrown
-- away, in namespaces of its own (debian.sh). Ports, users and folders are those of the document.
--
--   local why = debian.missing()          a sentence, where it cannot be made
--   local box = debian.new()
--   local out = box:run("cd /srv && ls")  in root's shell there: folder and variables stay
--   box:close()
local net = require "spec.support.net"
local tree = require "spec.support.tree"
local uv = require "luv"

local debian = {}

local Box = {}
Box.__index = Box

local PATIENCE = 60000

local function start()
  local repo, built = uv.cwd(), net.built("")
  local dir = tree.new {}
  local self = setmetatable({ dir = dir, count = 0 }, Box)
  self.shell = net.spawn("/usr/bin/unshare", { "--mount", "--pid", "--net", "--fork",
    "--kill-child", repo .. "/spec/support/debian.sh", repo, (built:gsub("/$", "")), dir })
  return self
end

---Why there can be none here; nil: there can.
---@return string|nil sentence
function debian.missing()
  local box = start()
  local ok, message = pcall(box.run, box, "true")
  box:close()
  if not ok then return "this Debian is an overlay in namespaces, which need root: " .. message end
end

---@return table box
function debian.new() return start() end

---Runs commands in the shell; the first that fails ends it with an error.
---@param commands string
---@return string out what they have printed, on standard output and error
function Box:run(commands)
  self.count = self.count + 1
  local shell, mark = self.shell, "::end of " .. self.count
  local from = #shell.out + 1
  local quoted = "'" .. commands:gsub("'", "'\\''") .. "'"
  shell:write(("set -eE; trap 'echo \"failed: $BASH_COMMAND\"; exit 1' ERR\n"
    .. "eval %s 2>&1 </dev/null\nset +eE; trap - ERR; echo '%s'\n"):format(quoted, mark))
  local ended = net.wait(function()
    return shell.out:find(mark, from, true) or shell.code
  end, PATIENCE)
  local out = shell.out:sub(from)
  if not ended or not out:find(mark, 1, true) then
    error(("%s\n%s%s"):format(commands, out, shell.err), 2)
  end
  return (out:gsub(mark .. "\n$", ""))
end

---Writes a file there, and its folders.
---@param path string
---@param text string
function Box:write(path, text)
  self:run(("mkdir -p '%s'"):format(path:match("^(.*)/")))
  self:run(("cat > '%s' <<'END_OF_FILE'\n%s\nEND_OF_FILE"):format(path, (text:gsub("%s+$", ""))))
end

---Ends all its processes, and takes its files away.
function Box:close()
  self.shell:close()
  tree.remove(self.dir)
end

return debian
