-- cli.line: reads lines from a person, with editing and history by libedit where it is
-- installed and standard input is a terminal; plain lines otherwise.
local ffi = require "ffi"

ffi.cdef [[
  int isatty(int fd);
  void free(void *p);
  char *readline(const char *prompt);
  int add_history(const char *line);
  int read_history(const char *path);
  int write_history(const char *path);
]]

local line = {}

local function plain(prompt)
  io.stdout:write(prompt)
  io.stdout:flush()
  return io.stdin:read("*l")
end

local function edited(edit, history)
  local last
  return function(prompt)
    local text = edit.readline(prompt)
    if text == nil then
      io.stdout:write("\n")
      return nil
    end
    local copy = ffi.string(text)
    ffi.C.free(text)
    if copy ~= "" and copy ~= last then
      edit.add_history(copy)
      if history then edit.write_history(history) end
      last = copy
    end
    return copy
  end
end

---@return fun(prompt: string): string|nil read nil at the end of input
function line.reader()
  if ffi.C.isatty(0) == 0 then return plain end
  local found, edit = pcall(ffi.load, "libedit.so.2")
  if not found then return plain end
  local home = os.getenv("HOME")
  local history = home and home .. "/.pomelua_history"
  if history then edit.read_history(history) end
  return edited(edit, history)
end

return line
