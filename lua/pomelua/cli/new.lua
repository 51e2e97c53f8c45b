-- cli.new: `pomelua init DIR` writes a small game that starts, passes its spec and
-- its lint as it is. The game itself lies in lua/pomelua/template.
local command = require "pomelua.cli.command"
local core = require "pomelua.core"
local files = require "pomelua.base.files"
local library = require "pomelua.cli.library"
local texts = require "pomelua.cli.text"

local fail, quoted = texts.fail, texts.quoted

local new = {}

-- Names that would hide in the template, or mean something there.
local names = {
  gitignore = ".gitignore", busted = ".busted", luacheckrc = ".luacheckrc",
  ["luarc.json"] = ".luarc.json",
}

local CLIENT = "web/pomelua.js"

-- The folder of the framework's Lua files.
local function home()
  return assert(package.searchpath("pomelua.cli.new", package.path)):match("^(.*)/cli/new%.lua$")
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
  local ok
  ok, message = file:write(text)
  local closed, why = file:close()
  if not ok or not closed then return nil, path .. ": " .. tostring(message or why) end
  return true
end

-- The client module lies in the template where it is installed, with the example in the
-- tree of the sources.
local function client(root)
  return files.read(root .. "/template/" .. CLIENT)
    or files.read(root .. "/../../examples/chat/" .. CLIENT)
end

-- What is to be written: {path inside of the game, text} each.
local function contents(root)
  local list, page = {}, client(root)
  if not page then return nil, "the client module pomelua.js is not installed" end
  for _, path in ipairs(walk(root .. "/template", "", {})) do
    if path ~= "/" .. CLIENT then
      local text, message = files.read(root .. "/template" .. path)
      if not text then return nil, message end
      list[#list + 1] = { (path:sub(2):gsub("^[^/]+$", names)), text }
    end
  end
  list[#list + 1] = { CLIENT, page }
  return list
end

-- Why a game cannot be written into a folder, or nil. Dot files that are none of the game's,
-- such as .git, may be there.
local function unfit(dir, list)
  if files.exists(dir) and not files.is_folder(dir) then return dir .. " is not a folder" end
  if #(files.list(dir) or {}) > 0 then return dir .. " is not empty" end
  for _, one in ipairs(list) do
    if files.is_there(dir .. "/" .. one[1]) then
      return ("%s/%s is there already; nothing was written"):format(dir, one[1])
    end
  end
end

local function main(given)
  local dir = given.dir
  local list, message = contents(home())
  message = message or unfit(dir, list)
  if message then return fail(1, "init: " .. message) end
  for _, one in ipairs(list) do
    local ok
    ok, message = write(dir .. "/" .. one[1], one[2])
    if not ok then return fail(1, "init: " .. message) end
    io.stdout:write("create ", dir, "/", one[1], "\n")
  end
  library.link(dir)
  io.stdout:write("\ncd ", quoted(dir), " && pomelua start    plays at http://127.0.0.1:3000/\n")
  return 0
end

new.command = command.new {
  name = "init", group = "make",
  summary = "writes a small game",
  usage = "DIR  (or -d DIR)",
  text = [[
Writes a small game into DIR, which is made when it is not there and must be empty but for dot files
of other names, such as .git. The game starts, passes its spec and its lint as it is.
]],
  folder = "only", words = { "dir" },
  options = { {
    "-d", "--directory", value = "DIR", field = "dir", kind = "dir", text = "the same as DIR",
  } },
  check = function(given)
    if not given.dir or given.dir == "" then return "give one folder" end
  end,
  examples = { { "pomelua init mygame", "writes a game into the folder mygame" } },
  statuses = { [1] = "the folder is not empty, or a file could not be written" },
  files = { "app.lua", "app/servers/", "config/servers.json", "config/web.json" },
  see = { "start", "test", "check" },
  run = main,
}

return new
