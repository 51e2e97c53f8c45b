-- cli.init: `pomelua init DIR` writes a small game that starts, passes its spec and
-- its lint as it is. The game itself lies in lua/pomelua/template.
local core = require "pomelua.core"
local files = require "pomelua.files"

local HELP = [[
Usage: pomelua init DIR

Writes a small game into DIR, which is made when it is not there and must be empty.
]]

-- Names that would hide in the template, or mean something there.
local names = {
  gitignore = ".gitignore", busted = ".busted", luacheckrc = ".luacheckrc",
  ["luarc.json"] = ".luarc.json",
}

local CLIENT = "web/pomelua.js"

local function fail(status, text)
  io.stderr:write("pomelua: ", text, "\n")
  return status
end

-- The folder of the framework's Lua files.
local function home()
  return assert(package.searchpath("pomelua.cli.init", package.path)):match("^(.*)/cli/init%.lua$")
end

-- All files below a folder, as paths inside it.
local function walk(root, inside, list)
  for _, name in ipairs(files.list(root .. inside) or {}) do
    local path = inside .. "/" .. name
    if files.is_folder(root .. path) then walk(root, path, list) else list[#list + 1] = path end
  end
  return list
end

local function write(path, text)
  core.make_folder(path:match("^(.*)/"))
  local file, message = io.open(path, "w")
  if not file then return nil, message end
  file:write(text)
  file:close()
  return true
end

-- The client module lies in the template where it is installed, with the example in the
-- tree of the sources.
local function client(root)
  return files.read(root .. "/template/" .. CLIENT)
    or files.read(root .. "/../../examples/chat/" .. CLIENT)
end

---@param args string[]
---@return number status
return function(args)
  local dir = args[1]
  if dir == "--help" or dir == "-h" then
    io.stdout:write(HELP)
    return 0
  end
  if not dir or dir:sub(1, 1) == "-" or args[2] then
    return fail(2, "init: one folder, please (see: pomelua init --help)")
  end
  if #(files.list(dir) or {}) > 0 then
    return fail(1, ("init: %s is not empty"):format(dir))
  end
  local root = home()
  for _, path in ipairs(walk(root .. "/template", "", {})) do
    if path ~= "/" .. CLIENT then
      local text = assert(files.read(root .. "/template" .. path))
      text = text:gsub("%${pomelua}", (files.absolute(root .. "/..") or ""))
      local ok, message = write(dir .. "/" .. (path:sub(2):gsub("^[^/]+$", names)), text)
      if not ok then return fail(1, "init: " .. message) end
      io.stdout:write("create ", dir, "/", (path:sub(2):gsub("^[^/]+$", names)), "\n")
    end
  end
  local text = client(root)
  if not text then return fail(1, "init: the client module pomelua.js is not installed") end
  local ok, message = write(dir .. "/" .. CLIENT, text)
  if not ok then return fail(1, "init: " .. message) end
  io.stdout:write("create ", dir, "/", CLIENT, "\n\n",
    "cd ", dir, " && pomelua start    plays at http://127.0.0.1:3000/\n")
  return 0
end
