-- cli.library: .pomelua/lua in a game's folder leads to the framework's Lua files, where
-- editors find their definitions. So the game's .luarc.json has no path of one machine.
local core = require "pomelua.core"
local ffi = require "ffi"
local files = require "pomelua.base.files"

local library = {}

if not pcall(function() return ffi.C.chmod end) then
  ffi.cdef [[
    int unlink(const char *path);
    int chmod(const char *path, unsigned mode);
  ]]
end

---The folder that holds the framework's Lua files.
---@return string|nil
function library.home()
  local found = package.searchpath("pomelua.cli.library", package.path)
  return found and files.absolute((found:gsub("/pomelua/cli/library%.lua$", "")))
end

---Makes the link, or turns it to where the framework lies now. Nothing depends on it but
---an editor, so a folder that cannot be written is left as it is.
---@param base string the game's folder
function library.link(base)
  local home, folder = library.home(), base .. "/.pomelua"
  local link = folder .. "/lua"
  if not home or files.absolute(link) == home then return end
  if not files.exists(folder) then
    core.make_folder(folder)
    ffi.C.chmod(folder, 448) -- rwx for its owner: sockets will lie there
  end
  ffi.C.unlink(link)
  files.symlink(home, link)
end

return library
