-- Graphs of files for the house rules: which file calls which, which requires which, and circles.
-- A graph is {[from] = {[to] = why}}, why a text.
local M = {}

local function lines_of(command)
  local list = {}
  local pipe = assert(io.popen(command))
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

local function sorted(t)
  local keys = {}
  for k in pairs(t) do keys[#keys + 1] = k end
  table.sort(keys)
  return keys
end
M.sorted = sorted

local function add(g, from, to, why)
  g[from] = g[from] or {}
  if to and to ~= from then g[from][to] = g[from][to] or why end
end

-- A circle as text, one edge a line, or nil. `skip(from, to)` leaves edges out.
function M.circle(g, skip)
  local state, trail = {}, {}
  local function visit(node)
    state[node] = "open"
    trail[#trail + 1] = node
    for _, to in ipairs(sorted(g[node] or {})) do
      if skip and skip(node, to) then
        state[to] = state[to] -- an edge that is left out
      elseif state[to] == "open" then
        local out, on = { "a circle:" }, false
        trail[#trail + 1] = to
        for i = 1, #trail - 1 do
          on = on or trail[i] == to
          if on then
            out[#out + 1] = ("  %s -> %s (%s)"):format(trail[i], trail[i + 1],
              g[trail[i]][trail[i + 1]])
          end
        end
        return table.concat(out, "\n")
      elseif not state[to] then
        local found = visit(to)
        if found then return found end
      end
    end
    trail[#trail] = nil
    state[node] = "done"
  end
  for _, node in ipairs(sorted(g)) do
    local found = not state[node] and visit(node)
    if found then return found end
  end
end

-- The same graph between folders: the first part of a name, "" for files at the top.
function M.folders(g)
  local out = {}
  for from, list in pairs(g) do
    local a = from:match("^([%w_]+)/") or ""
    add(out, a)
    for to, why in pairs(list) do
      local b = to:match("^([%w_]+)/") or ""
      if a ~= b then add(out, a, b, ("%s to %s, %s"):format(from, to, why)) end
    end
  end
  return out
end

-- What C files call, or take the address of, by the symbols of their objects. names: of the files
-- without ending; every one has an object under `folder`.
function M.calls(folder, names)
  local owner, wants, g = {}, {}, {}
  local seen = {}
  for _, line in ipairs(lines_of(("cd '%s' && nm -gA %s.o 2>&1"):format(folder,
    table.concat(names, ".o ")))) do
    local name, kind, symbol = line:match("^([%w_/]+)%.o:%x*%s+(%a) (%S+)$")
    if kind == "U" then
      wants[#wants + 1] = { name, symbol }
    elseif kind then
      owner[symbol] = name
    end
    if kind then seen[name] = true end
  end
  for _, name in ipairs(names) do
    add(g, name)
    assert(seen[name], ("%s/%s.o has no symbols: build first"):format(folder, name))
  end
  for _, want in ipairs(wants) do
    if owner[want[2]] then add(g, want[1], owner[want[2]], want[2]) end
  end
  return g
end

-- The modules that the text of a Lua file requires, at once or by base/later, wherever in it that
-- stands, also in functions: {module, n, line}. The word in a text or in a comment does not count.
function M.requires_in(text, prefix)
  local list, n = {}, 0
  local function found_in(line, word)
    return line:match("^([^\"']*)%f[%w_]" .. word .. "%s*%(?%s*[\"'](" .. prefix .. "[%w_.]*)")
  end
  for line in (text .. "\n"):gmatch("(.-)\n") do
    n = n + 1
    local before, module = found_in(line, "require")
    if not before then before, module = found_in(line, "later") end
    if module and not before:find("%-%-") then
      list[#list + 1] = { module = module, n = n, line = line }
    end
  end
  return list
end

return M
