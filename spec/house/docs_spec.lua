-- The documents: their links, and that nothing a user can name is missing from them.
local files_of_tree = require "spec.support.files"
local commands = require "pomelua.cli.commands"
local read, exists = files_of_tree.read, files_of_tree.exists

local function list(command)
  local names = {}
  local pipe = io.popen(command .. " 2>/dev/null | sort")
  for name in pipe:lines() do names[#names + 1] = name end
  pipe:close()
  return names
end

local function none(wrong)
  assert(#wrong == 0, "\n" .. table.concat(wrong, "\n"))
end

-- Code is not prose: blocks and what stands between backticks have no links.
local function prose(text)
  return (text:gsub("\n```.-\n```", "\n"):gsub("`[^`\n]*`", function(code)
    return code:sub(2, -2):gsub("[%[%]%(%)]", "")
  end))
end

-- A heading's anchor, as web pages make it.
local function anchors(text)
  local found = {}
  for heading in ("\n" .. text:gsub("\n```.-\n```", "\n")):gmatch("\n#+ ([^\n]+)") do
    found[heading:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-")] = true
  end
  return found
end

local documents = list("ls *.md core/README.md lua/README.md docs/*.md"
  .. " examples/README.md examples/*/README.md")
local all = {}
for _, path in ipairs(documents) do all[path] = read(path) end

-- Whether a name stands in a text as a word of its own.
local function names(text, word)
  return text:find("%f[%w_]" .. word:gsub("%p", "%%%0") .. "%f[^%w_]") ~= nil
end

describe("the documents", function()
  it("are there", function()
    for _, path in ipairs { "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md",
      "core/README.md", "docs/README.md", "docs/compatibility.md", "docs/decisions.md",
      "examples/README.md",
      "docs/getting-started.md", "docs/lua-api.md", "docs/configuration.md",
      "docs/from-pomelo.md", "docs/tls.md", "docs/tls-proxy.md" } do
      assert(all[path], path)
    end
  end)

  it("link to files and headings that are there", function()
    local wrong = {}
    for path, text in pairs(all) do
      local folder = path:match("^(.*/)") or ""
      for target in prose(text):gmatch("%]%(([^%)%s]+)%)") do
        if not target:find("^%a+:") then
          local file, anchor = target:match("^([^#]*)#?(.*)$")
          local full = file == "" and path or folder .. file
          while full:find("[^/]+/%.%./") do full = full:gsub("[^/]+/%.%./", "", 1) end
          if not exists(full) then
            wrong[#wrong + 1] = path .. ": " .. target
          elseif anchor ~= "" and not anchors(read(full))[anchor] then
            wrong[#wrong + 1] = path .. ": no heading for " .. target
          end
        end
      end
    end
    none(wrong)
  end)

  it("have lines of at most 100 columns outside of tables and code", function()
    local wrong = {}
    for path, text in pairs(all) do
      for line in (text:gsub("\n```.-\n```", "\n") .. "\n"):gmatch("(.-)\n") do
        if #line:gsub("[\128-\191]", "") > 100 and not line:find("^|") then
          wrong[#wrong + 1] = path .. ": " .. line
        end
      end
    end
    none(wrong)
  end)
end)

describe("docs/configuration.md", function()
  local text = all["docs/configuration.md"]

  it("has every setting of app.lua", function()
    local wrong, told = {}, {}
    require("pomelua.app.settings").each(function(group, key, rule)
      assert(names(text, group), group)
      if not names(text, key) then wrong[#wrong + 1] = group .. "." .. key end
      if rule.node_key then told[rule.node_key] = true end
      for name, inner in pairs(rule.keys or {}) do
        if not names(text, name) then wrong[#wrong + 1] = key .. "." .. name end
        told[inner.node_key] = true
      end
    end)
    -- The entry of servers.json has this one.
    assert(names(text, "max-connections"))
    told.maxConnections = true
    for name in pairs(require("pomelua.core").settings()) do
      if not told[name] then wrong[#wrong + 1] = name .. ": no setting of app.lua leads to it" end
    end
    none(wrong)
  end)

  it("has every counter", function()
    local wrong, count = {}, 0
    for path in io.popen("ls core/node/*.c"):lines() do
      for call, name in read(path):gmatch('([%w_]+)%("([%w_]+)", ') do
        if call == "fn" or call == "RPC" or call == "NET" or call == "PML_NODE_COUNTER" then
          count = count + 1
          if not names(text, name) then wrong[#wrong + 1] = name end
        end
      end
    end
    assert(count > 40, "core/node writes its counters in another way: change this spec")
    count = 0
    for name in read("core/host/web.c"):gmatch('fn%("([%w_]+)", ') do
      count = count + 1
      if not names(text, name) then wrong[#wrong + 1] = name end
    end
    assert(count > 8, "core/host/web.c writes its counters in another way: change this spec")
    none(wrong)
  end)

  it("has every command and option of the program", function()
    local wrong = {}
    for _, entry in ipairs(commands.list) do
      if not text:find("pomelua " .. entry.name, 1, true) then wrong[#wrong + 1] = entry.name end
      for _, row in ipairs(entry.name == "bench" and {} or entry.options) do -- see: bench --help
        for _, name in ipairs(row) do
          if not text:find("`" .. name, 1, true) then
            wrong[#wrong + 1] = entry.name .. ": " .. name
          end
        end
      end
    end
    none(wrong)
  end)
end)

describe("docs/lua-api.md", function()
  local text = all["docs/lua-api.md"]

  local function methods_of(path)
    local found = {}
    for name in read(path):gmatch("\nfunction [%w_]+[:.](%l[%w]*)%(") do
      found[#found + 1] = name
    end
    return found
  end

  -- Files whose functions are the public API, and what of them is not.
  local files = {
    ["lua/pomelua/app/app.lua"] = { new = true },
    ["lua/pomelua/run/event.lua"] = { new = true, drop = true },
    ["lua/pomelua/init.lua"] = {},
    ["lua/pomelua/session/session.lua"] =
      { init = true, new = true, make = true, removed = true, sent = true },
    ["lua/pomelua/session/frontend.lua"] = { import = true },
    ["lua/pomelua/session/service.lua"] = { new = true },
    ["lua/pomelua/session/backend.lua"] = { new = true, from = true },
    ["lua/pomelua/session/backend_service.lua"] = { new = true },
        ["lua/pomelua/test/init.lua"] = {},
    ["lua/pomelua/test/server.lua"] = { new = true },
  }

  it("has every method of the public objects", function()
    local wrong, count = {}, 0
    for path, inside in pairs(files) do
      for _, name in ipairs(methods_of(path)) do
        if not inside[name] then
          count = count + 1
          if not names(text, name) then wrong[#wrong + 1] = path .. ": " .. name end
        end
      end
    end
    assert(count > 60, "the API is written in another way: change this spec")
    none(wrong)
  end)

  it("has every method of a Channel and of channelService", function()
    local wrong = {}
    for object, path in pairs { channel = "l_channel", channelService = "l_channel_service" } do
      local methods = assert(read("core/bind/" .. path .. ".c")
        :match("%w+_methods%[%] = (%b{})"))
      for name in methods:gmatch('{"([%w_]+)"') do
        if not text:find(object .. ":" .. name, 1, true) then
          wrong[#wrong + 1] = object .. ":" .. name
        end
      end
    end
    none(wrong)
  end)
end)

describe("core/README.md", function()
  local text = all["core/README.md"]
  local mapped = {}
  local layer
  for line in (text .. "\n"):gmatch("(.-)\n") do
    layer = line:match("^## (%l+):") or (not line:find("^##") and layer or nil)
    local cell = layer and line:match("^| ([^|]+) |")
    for name in (cell or ""):gmatch("`([%w_]+)`") do mapped[layer .. "/" .. name] = true end
  end

  it("names only files that are there", function()
    local wrong = {}
    for name in pairs(mapped) do
      if not exists("core/" .. name .. ".c") and not exists("core/" .. name .. ".h") then
        wrong[#wrong + 1] = name
      end
    end
    none(wrong)
  end)

  it("has every C file", function()
    local wrong = {}
    for _, path in ipairs(list("ls core/*/*.c")) do
      local name = path:match("^core/(.*)%.c$")
      local folder = name:match("^%a+")
      if folder == "tools" then
        if not text:find(path:match("^core/(.*)$"), 1, true) then wrong[#wrong + 1] = name end
      elseif folder ~= "test" and folder ~= "fuzz" and not mapped[name] then
        wrong[#wrong + 1] = name
      end
    end
    none(wrong)
  end)
end)
