-- files: what the framework asks of the file system. A file that another program has put into an
-- app's folder may be a pipe, a device or endless: only regular files are read, up to a limit.
local core = require "pomelua.core"
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
    ssize_t readlink(const char *path, char *out, size_t size);
    char *strerror(int number);
    int link(const char *from, const char *to);
    int mkdir(const char *path, unsigned int mode);
    int symlink(const char *to, const char *at);
  ]]
end

local C = ffi.C
local files = {}

local ENOENT, ENOTDIR = 2, 20
local MOST = 2 ^ 24 -- bytes of a file that is read

-- C would take a NUL for the end and ask for another file.
local function refused(path)
  if path:find("\0", 1, true) then
    return (path:gsub("%z", "\\0")) .. ": a NUL character cannot stand in the name of a file"
  end
end

---The path of a file that a setting names: absolute, or from the app's folder.
---@param base string the app's folder
---@param path string
---@return string
function files.from(base, path)
  return path:sub(1, 1) == "/" and path or base .. "/" .. path
end

---The names in a folder, sorted, without those that start with a dot.
---@param path string
---@return string[]|nil names
---@return string|nil message
---@return boolean|nil gone whether there is no folder of that name; else it cannot be read now
function files.list(path)
  local wrong = refused(path)
  if wrong then return nil, wrong, true end
  local dir = C.opendir(path)
  if dir == nil then
    local number = ffi.errno()
    local gone = number == ENOENT or number == ENOTDIR
    return nil, path .. ": " .. ffi.string(C.strerror(number)), gone
  end
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
function files.is_folder(path) return not refused(path) and core.kind(path) == "folder" end

---Whether there is anything of that name: a file, a folder, a pipe, ...
---@param path string
---@return boolean
function files.exists(path) return not refused(path) and core.kind(path) ~= nil end

---Whether there is anything of that name, a link that leads nowhere included.
---@param path string
---@return boolean
function files.is_there(path)
  if refused(path) then return false end
  local byte = ffi.new "char[1]"
  return files.exists(path) or C.readlink(path, byte, 1) >= 0
end

---What tells a folder from another, whatever links lead to it.
---@param path string
---@return string|nil identity nil: no folder
function files.folder(path)
  if refused(path) then return nil end
  local kind, identity = core.kind(path)
  return kind == "folder" and identity or nil
end

---@param path string
---@return string|nil absolute nil when there is nothing of that name
---@return string|nil message
function files.absolute(path)
  local wrong = refused(path)
  if wrong then return nil, wrong end
  local resolved = C.realpath(path, nil)
  if resolved == nil then return nil, path .. ": " .. ffi.string(C.strerror(ffi.errno())) end
  local text = ffi.string(resolved)
  C.free(resolved)
  return text
end

---Where a file lies, from "/", whatever links lead to it. It, and folders above it, need not be
---there yet.
---@param path string
---@return string
function files.place(path)
  local here = path:sub(1, 1) ~= "/" and files.absolute "." or ""
  for part in path:gmatch "[^/]+" do
    if part == ".." then
      here = here:match("^(.*)/[^/]*$") or ""
    elseif part ~= "." then
      local one = here .. "/" .. part
      here = files.absolute(one) or one
    end
  end
  return here
end

---A folder as it is called, from "/", its links not followed: a link may lead elsewhere later.
---@param path string
---@return string|nil named nil when there is nothing of that name
---@return string|nil message
function files.named(path)
  local real, message = files.absolute(path)
  if not real then return nil, message end
  local named = path
  if named:sub(1, 1) ~= "/" then
    -- The shell knows by which links the current folder was entered.
    local here, given = files.absolute("."), os.getenv("PWD")
    if given and given:sub(1, 1) == "/" and files.absolute(given) == here then here = given end
    named = here .. "/" .. named
  end
  named = (named .. "/"):gsub("/%./", "/"):gsub("/%./", "/"):gsub("/+", "/")
  -- What stands before ".." is followed: the name above a link is not the folder above it.
  local before, after = named:match("^(.*/%.%.)(/.*)$")
  if before then named = files.absolute(before) .. after end
  named = #named > 1 and named:gsub("/$", "") or named
  return files.absolute(named) == real and named or real
end

---One more name for a file, or for a socket, in the same file system.
---@return boolean done
---@return string|nil message
function files.link(from, to)
  local wrong = refused(from) or refused(to)
  if wrong then return false, wrong end
  if C.link(from, to) == 0 then return true end
  return false, to .. ": " .. ffi.string(C.strerror(ffi.errno()))
end

---A symbolic link that leads to a path.
---@param to string
---@param at string where the link is
---@return boolean done
---@return string|nil message
function files.symlink(to, at)
  local wrong = refused(to) or refused(at)
  if wrong then return false, wrong end
  if C.symlink(to, at) == 0 then return true end
  return false, at .. ": " .. ffi.string(C.strerror(ffi.errno()))
end

---Makes a folder for this user alone; one that is there stays as it is.
function files.make_private(path)
  if not refused(path) then C.mkdir(path, 448) end -- 0700
end

---A whole regular file.
---@param path string
---@return string|nil text
---@return string|nil message names the file
---@return string|nil code "NOENT", "NOTDIR", "ISDIR", "INVAL" (a pipe or a device), "FBIG",
---"MFILE" (the limit of open files), "ACCES", "IO"
function files.read(path)
  local wrong = refused(path)
  if wrong then return nil, wrong, "INVAL" end
  return core.read_file(path, MOST)
end

---Whether an error of files.read says that there is no file of that name.
---@param code string|nil
---@return boolean
function files.is_gone(code) return code == "NOENT" or code == "NOTDIR" end

return files
