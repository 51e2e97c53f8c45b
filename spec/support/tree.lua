-- A folder of files for a spec, removed afterwards.
local uv = require "luv"

local tree = {}

local function make(path)
  local folder = path:match("^(.*)/[^/]*$")
  if folder and folder ~= "" and not uv.fs_stat(folder) then
    make(folder)
    assert(uv.fs_mkdir(folder, 448))
  end
end

---@param files table<string, string> texts by path
---@return string folder
function tree.new(files)
  local base = assert(uv.fs_mkdtemp((os.getenv("TMPDIR") or "/tmp") .. "/pomelua-spec-XXXXXX"))
  for name, text in pairs(files or {}) do tree.write(base, name, text) end
  return base
end

function tree.write(base, name, text)
  make(base .. "/" .. name)
  local file = assert(io.open(base .. "/" .. name, "wb"))
  file:write(text)
  file:close()
end

function tree.remove(base)
  local req = uv.fs_scandir(base)
  while req do
    local name, kind = uv.fs_scandir_next(req)
    if not name then break end
    local path = base .. "/" .. name
    if kind == "directory" then tree.remove(path) else uv.fs_unlink(path) end
  end
  uv.fs_rmdir(base)
end

return tree
