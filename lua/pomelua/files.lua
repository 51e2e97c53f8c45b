-- files: what the framework asks of the file system and Lua's own library does
-- not have: the names in a folder, and a path made absolute.
local ffi = require "ffi"

assert(ffi.abi("64bit"), "pomelua needs a 64-bit system")

-- struct dirent as glibc and musl have it on every 64-bit Linux. Guarded, because
-- a second state of the same library would define it again.
if not pcall(ffi.typeof, "struct pml_dirent") then
  ffi.cdef [[
    struct pml_dirent {
      uint64_t ino; int64_t off; unsigned short reclen; unsigned char type; char name[256];
    };
    void *opendir(const char *path);
    struct pml_dirent *readdir(void *dir);
    int closedir(void *dir);
    char *realpath(const char *path, char *resolved);
    void free(void *p);
    char *strerror(int number);
  ]]
end

local C = ffi.C
local files = {}

---The names in a folder, sorted, without those that start with a dot.
---@param path string
---@return string[]|nil names
---@return string|nil message
function files.list(path)
  local dir = C.opendir(path)
  if dir == nil then return nil, path .. ": " .. ffi.string(C.strerror(ffi.errno())) end
  local names = {}
  local entry = C.readdir(dir)
  while entry ~= nil do
    local name = ffi.string(entry.name)
    if name:sub(1, 1) ~= "." then names[#names + 1] = name end
    entry = C.readdir(dir)
  end
  C.closedir(dir)
  table.sort(names)
  return names
end

---@param path string
---@return boolean
function files.is_folder(path)
  local dir = C.opendir(path)
  if dir == nil then return false end
  C.closedir(dir)
  return true
end

---@param path string
---@return boolean
function files.exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

---@param path string
---@return string|nil absolute nil when there is nothing of that name
---@return string|nil message
function files.absolute(path)
  local resolved = C.realpath(path, nil)
  if resolved == nil then return nil, path .. ": " .. ffi.string(C.strerror(ffi.errno())) end
  local text = ffi.string(resolved)
  C.free(resolved)
  return text
end

---A whole file.
---@param path string
---@return string|nil text
---@return string|nil message names the file
function files.read(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local text = file:read("*a")
  file:close()
  if not text then return nil, path .. ": cannot be read" end
  return text
end

---Loads a Lua file of an app. Its errors name it as it is called inside of the app:
---Lua cuts long names, which full paths are.
---@param base string
---@param name string path inside base
---@return function|nil chunk
---@return string|nil message
function files.load(base, name)
  local text, message = files.read(base .. "/" .. name)
  if not text then return nil, message end
  return loadstring(text, "@" .. name)
end

return files
