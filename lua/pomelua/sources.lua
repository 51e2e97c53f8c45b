-- sources: the texts of an app's Lua files at one moment. A generation keeps those it
-- was made of, so that what it loads later is of the same moment, too.
local files = require "pomelua.files"

local sources = {}

local DEPTH = 12 -- folders in folders; links may go round

-- The folders of other server types are theirs.
local function foreign(server, folder, name)
  return folder == server.base .. "/app/servers" and name ~= server.type
end

local function walk(server, folder, depth, each_file, each_folder)
  local names = files.list(folder)
  if not names then return end
  if each_folder then each_folder(folder) end
  for _, name in ipairs(names) do
    local path = folder .. "/" .. name
    if name:find("%.[lL][uU][aA]$") then
      each_file(path)
    elseif depth < DEPTH and name ~= "node_modules" and not foreign(server, folder, name) then
      walk(server, path, depth + 1, each_file, each_folder)
    end
  end
end

---Calls each_file with the path of every Lua file of the app that this server may
---load, and each_folder with every folder that holds, or may hold, one.
---@param server table
---@param known table<string, any> paths that belong to it, too, wherever they are
---@param each_file fun(path: string)
---@param each_folder fun(path: string)|nil
function sources.each(server, known, each_file, each_folder)
  local seen, folders = {}, {}
  local function file(path)
    if seen[path] then return end
    seen[path] = true
    each_file(path)
  end
  local function folder(path)
    if folders[path] then return end
    folders[path] = true
    if each_folder then each_folder(path) end
  end
  folder(server.base)
  file(server.base .. "/app.lua")
  walk(server, server.base .. "/app", 0, file, folder)
  for path in pairs(known) do
    file(path)
    folder(path:match("^(.*)/"))
  end
end

---Reads them all.
---@param server table
---@param known table<string, any>
---@return table<string, string>|nil texts by path; what is not there is not in it
---@return string|nil message
function sources.read(server, known)
  local texts, wrong = {}, nil
  sources.each(server, known, function(path)
    local text, message = files.read(path)
    texts[path] = text
    -- A folder of that name, or a file that has gone since, is none.
    if not text and files.exists(path) and not files.is_folder(path) then wrong = message end
  end)
  if wrong then return nil, wrong end
  return texts
end

return sources
