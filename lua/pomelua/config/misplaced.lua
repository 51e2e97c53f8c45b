-- misplaced: files of an app whose name or folder is nearly one that the framework reads. Each is a
-- warning at the start; every other file is the game's own.
local files = require "pomelua.base.files"
local near = require "pomelua.base.near"

local misplaced = {}

local FOLDERS = { "handler", "remote", "cron" }
local CONFIG = {
  "servers.json", "web.json", "bus.json", "databases.json", "crons.json", "log.json",
  "log4js.json", "dictionary.json", "dictionary.lock.json", "serverProtos.json",
  "clientProtos.json",
}
local STEMS = {}
for i, name in ipairs(CONFIG) do STEMS[i] = name:match("^(.*)%.json$") end

local function list(base, folder)
  local path = base .. "/" .. folder
  return files.is_folder(path) and files.list(path) or {}
end

-- A name of a handler's, remote's or cron's file: the folder that is meant.
local function kind_of(name)
  local kind = name:match("(%u%l+)%.lua$")
  kind = kind and kind:lower()
  return (kind == "handler" or kind == "remote" or kind == "cron") and kind or nil
end

local function in_kind(base, folder, warn)
  for _, name in ipairs(list(base, folder)) do
    local path = folder .. "/" .. name
    if name:find("%.js$") then
      warn(path, "this is JavaScript; only files that end in .lua are taken")
    end
    for _, inner in ipairs(list(base, path)) do
      if kind_of(inner) then
        warn(path .. "/" .. inner, "it is not loaded there; put it right into " .. folder)
      end
    end
  end
end

local function in_type(base, folder, warn)
  for _, name in ipairs(list(base, folder)) do
    local path = folder .. "/" .. name
    if name == "handler" or name == "remote" or name == "cron" then
      in_kind(base, path, warn)
    elseif files.is_folder(base .. "/" .. path) then
      local meant = near.to(name, FOLDERS)
      local there = meant and files.is_folder(base .. "/" .. folder .. "/" .. meant)
      for _, inner in ipairs(there and list(base, path) or {}) do
        there = there and not kind_of(inner)
      end
      if meant and not there then
        warn(path, "the files in it are not loaded; did you mean " .. folder .. "/" .. meant .. "?")
      end
    elseif kind_of(name) then
      warn(path, ("it is not loaded there; put it into %s/%s"):format(folder, kind_of(name)))
    elseif name ~= "lifecycle.lua" and near.to(name, { "lifecycle.lua" }) then
      warn(path, "it is not loaded there; did you mean lifecycle.lua?")
    end
  end
end

---The files of an app's folder that look as if the framework read them, and that it does not read.
---@param base string the app's folder
---@return string[] texts
function misplaced.look(base)
  local texts = {}
  local function warn(path, text) texts[#texts + 1] = path .. ": " .. text end
  for _, name in ipairs(list(base, "config")) do
    local stem = name:match("^(.*)%.json$")
    local meant
    if stem then
      meant = near.to(stem, STEMS, 2)
      meant = meant and meant .. ".json"
    else
      meant = near.to(name, CONFIG, 2)
    end
    if meant and not files.exists(base .. "/config/" .. meant) then
      warn("config/" .. name, ("nothing reads it; did you mean config/%s?"):format(meant))
    end
  end
  for _, name in ipairs(list(base, "app")) do
    if name ~= "servers" and near.to(name, { "servers" }, 2) then
      warn("app/" .. name, "the files in it are not loaded; did you mean app/servers?")
    end
  end
  for _, name in ipairs(list(base, "app/servers")) do
    local path = "app/servers/" .. name
    in_type(base, path, warn)
    if name:find("%.lua$") then
      warn(path, "it is not loaded there; handlers lie in app/servers/<type>/handler, remotes in "
        .. "app/servers/<type>/remote")
    end
  end
  return texts
end

return misplaced
