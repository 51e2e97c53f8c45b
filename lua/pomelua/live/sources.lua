-- sources: the texts of an app's files at one moment: of its scripts, and of the files beside them
-- that a reload reads again (live.config). A generation keeps the texts that it was
-- made of, so that a file which it loads later is of the same moment.
local files = require "pomelua.base.files"

local sources = {}

local DEPTH = 32 -- folders in folders
-- By how many names a folder is entered: links may lead to one folder from several places,
-- and of folders that link to each other there are more paths than can be walked.
local NAMES = 4

-- The folders of other server types are theirs.
local function foreign(server, folder, name)
  return folder == server.base .. "/app/servers" and name ~= server.type
end

-- walked: {inside = identities of the folder and those around it, names = by identity how
-- often a folder has been entered, file, folder = the functions to call}.
local function walk(server, folder, depth, walked)
  local identity = files.folder(folder)
  local names = walked.names
  if not identity or walked.inside[identity] or (names[identity] or 0) >= NAMES then return end
  local list, message, gone = files.list(folder)
  if not list then
    if not gone then walked.wrong = message end
    return
  end
  names[identity] = (names[identity] or 0) + 1
  walked.inside[identity] = true
  walked.folder(folder)
  for _, name in ipairs(list) do
    local path = folder .. "/" .. name
    if name:find("%.[lL][uU][aA]$") then
      walked.file(path)
    elseif depth < DEPTH and name ~= "node_modules" and not foreign(server, folder, name) then
      walk(server, path, depth + 1, walked)
    end
  end
  walked.inside[identity] = nil
end

---Calls each_file with the path of every file of the app that this server may
---load, and each_folder with every folder that holds, or may hold, one.
---@param server table
---@param known table<string, any> paths that belong to it, too, wherever they are
---@param each_file fun(path: string)
---@param each_folder fun(path: string)|nil
---@return string|nil message a folder that is there and cannot be read now
function sources.each(server, known, each_file, each_folder)
  local seen, folders, own = {}, {}, server.base .. "/app/servers/" .. server.type
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
  -- The server's own folder first: what it links to stays its own.
  local walked = { inside = {}, names = {}, file = file, folder = folder }
  walk(server, own, 2, walked)
  walk(server, server.base .. "/app", 0, walked)
  for _, paths in ipairs { known, server.live.config } do
    for path in pairs(paths) do
      file(path)
      folder(path:match("^(.*)/"))
    end
  end
  return walked.wrong
end

---Reads one of them.
---@param server table
---@param path string
---@return string|nil text nil without a message: there is no such file
---@return string|nil message names the file as inside of the app
function sources.file(server, path)
  local text, message, code = files.read(path)
  -- A folder of that name is no file of the app's.
  if text or files.is_gone(code) or code == "ISDIR" then return text end
  local base = server.base .. "/"
  return nil, message:sub(1, #base) == base and message:sub(#base + 1) or message
end

---Reads them all.
---@param server table
---@param known table<string, any>
---@return table<string, string>|nil texts by path; what is not there is not in it
---@return string|nil message
function sources.read(server, known)
  local texts, wrong = {}, nil
  local unread = sources.each(server, known, function(path)
    local text, message = sources.file(server, path)
    texts[path] = text
    wrong = wrong or message
  end)
  if wrong or unread then return nil, wrong or unread end
  return texts
end

return sources
