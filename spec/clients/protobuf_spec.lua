-- Thousands of random messages by random definitions: our bytes are those of npm's
-- pomelo-protobuf, each reads what the other writes, and what one refuses the other refuses
-- (core/wire/protobuf, protocol 11.3). Pinus's package stands in for the types that Pomelo's does
-- not have; and the client of the chat's page writes and reads the same.
local cjson = require "cjson"
local core = require "pomelua.core"
local uv = require "luv"

local MESSAGES = 30
local seed = tonumber(os.getenv("POMELUA_SEED")) or os.time()

local function hex(bytes)
  return bytes and (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function unhex(digits)
  return (digits:gsub("%x%x", function(d) return string.char(tonumber(d, 16)) end))
end

local random = math.random
local function one_of(list) return list[random(#list)] end
local function chance(percent) return random(100) <= percent end

local SIMPLE = { "uInt32", "int32", "sInt32", "float", "double", "string" }
local TEXTS = { "", "a", "\\ufeffx", "\\ud83d!", "abc", "你好", "é", "😀", "a😀b",
  "\\n\\\"\\\\", "\\u0000", ("long "):rep(40) }

-- Definitions ----------------------------------------------------------------------------

-- {name=, fields={{option=, type=, name=, tag=, message=}}, nested={messages}}
local function definition(types, shared, depth)
  local def = { fields = {}, nested = {} }
  if depth < 3 then
    for i = 1, random(0, 2) do
      def.nested[i] = definition(types, shared, depth + 1)
      def.nested[i].name = "In" .. i
    end
  end
  local tag = 0
  for i = 1, random(1, 8) do
    tag = tag + (chance(80) and 1 or random(2, 3000))
    local field = { option = one_of { "required", "optional", "optional", "repeated" }, tag = tag,
      name = one_of { "a", "some_name", "x", "路" } .. i }
    local messages = {}
    for _, m in ipairs(def.nested) do messages[#messages + 1] = m end
    for _, m in ipairs(shared) do messages[#messages + 1] = m end
    if #messages > 0 and chance(40) then
      field.message = one_of(messages)
      field.type = field.message.name
      -- One that needs itself would have no end.
      if field.option == "required" then field.option = "optional" end
    else
      field.type = one_of(types)
    end
    def.fields[i] = field
  end
  return def
end

local function text_of(def)
  local parts = {}
  for _, m in ipairs(def.nested) do
    parts[#parts + 1] = ('"message %s":%s'):format(m.name, text_of(m))
  end
  for _, f in ipairs(def.fields) do
    parts[#parts + 1] = ('"%s %s %s":%d'):format(f.option, f.type, f.name, f.tag)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function definitions(types)
  local shared = {}
  for i = 1, random(0, 2) do shared[i] = { name = "Shared" .. i, fields = {}, nested = {} } end
  for i, m in ipairs(shared) do -- they may hold each other, and themselves
    local made = definition(types, shared, 2)
    shared[i].fields, shared[i].nested = made.fields, made.nested
    assert(m == shared[i])
  end
  local root = definition(types, shared, 0)
  local parts = { '"t":' .. text_of(root) }
  for _, m in ipairs(shared) do
    parts[#parts + 1] = ('"message %s":%s'):format(m.name, text_of(m))
  end
  return root, "{" .. table.concat(parts, ",") .. "}"
end

-- Messages -------------------------------------------------------------------------------

local function integer(lowest)
  local bits = random(0, 50)
  local n = math.floor(random() * 2 ^ bits)
  if lowest < 0 and chance(50) then n = -n end
  return n
end

local value

-- Its members stand in any order. Pomelo makes a buffer of twice the length of the JSON text,
-- which numbers can overflow: a member that no definition has makes it long enough.
local function message(def, depth, faults)
  local members = { ('"_":"%s"'):format(("_"):rep(150)) }
  for _, f in ipairs(def.fields) do
    local leave_out = f.option ~= "required" or (faults and chance(2))
    if not (leave_out and chance(f.message and depth > 2 and 100 or 40)) then
      local text
      if f.option == "repeated" then
        local list = {}
        for i = 1, random(0, 3) do list[i] = value(f, depth, faults) end
        text = "[" .. table.concat(list, ",") .. "]"
      else
        text = value(f, depth, faults)
      end
      table.insert(members, random(#members + 1), ('"%s":%s'):format(f.name, text))
    end
  end
  return "{" .. table.concat(members, ",") .. "}"
end

function value(f, depth, faults)
  if f.message then return message(f.message, depth + 1, faults) end
  if f.type == "string" then return '"' .. one_of(TEXTS) .. '"' end
  if f.type == "bool" then return one_of { "true", "false" } end -- Pinus takes anything
  if f.type == "float" or f.type == "double" then -- for which Pomelo takes anything
    return ("%.17g"):format((random() - 0.5) * 10 ^ random(-5, 20))
  end
  if faults and chance(5) then
    return one_of { "null", '"x"', "true", f.type:find("^u") and "-1" or "null" }
  end
  local n = integer(f.type:find("^u") and 0 or -1)
  return (chance(10) and '"%.0f"' or chance(10) and "%.0f.75" or "%.0f"):format(n)
end

-- Comparing ------------------------------------------------------------------------------

local function run(input)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(table.concat(input, "\n"), "\n")
  file:close()
  local pipe = assert(io.popen("node spec/clients/protobuf.js <" .. name .. " 2>&1"))
  local out = pipe:read("*a")
  pipe:close()
  os.remove(name)
  return out
end

-- All messages of some definitions, with what ours and the others make of them.
local function cases_by(package, types, sets)
  local cases, input, at = {}, {}, 0
  for _ = 1, sets do
    local root, text = definitions(types)
    local protos = assert(core.protos(text, text))
    input[#input + 1] = ('{"protos":%s,"by":"%s"}'):format(text, package)
    for _ = 1, MESSAGES do
      local case = { protos = protos, text = text, json = message(root, 0, chance(30)) }
      case.ours, case.why = protos:encode("server", "t", case.json)
      case.old = protos:encode("server", "t", case.json, false, true)
      cases[#cases + 1] = case
      input[#input + 1] = case.ours and ('{"message":%s,"ours":"%s","old":"%s"}')
        :format(case.json, hex(case.ours), hex(case.old)) or ('{"message":%s}'):format(case.json)
    end
  end
  local out = run(input)
  for line in out:gmatch("[^\n]+") do
    at = at + 1
    assert(cases[at] and line:sub(1, 1) == "{", out:sub(1, 500))
    cases[at].theirs = cjson.decode(line)
  end
  assert.equal(#cases, at)
  return cases
end

local function given(v) return v ~= cjson.null and v or nil end

-- assert.same is slow, and there are many.
local function equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, one in pairs(a) do
    if not equal(one, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

local function assert_case(case, fine, what)
  if fine then return end
  error(("POMELUA_SEED=%d: %s\n%s\n%s\n%s"):format(seed, what, case.text, case.json,
    tostring(case.why)), 0)
end

local function missing(package)
  return not uv.fs_stat("spec/clients/node_modules/" .. package)
end

describe("protobuf, beside npm's", function()
  for package, row in pairs {
    pomelo = { types = SIMPLE, sets = 70 },
    pinus = { types = { "bool", "uInt64", "sInt64", "uInt32", "string" }, sets = 20 },
  } do
    describe(package .. "-protobuf", function()
      local cases

      setup(function()
        math.randomseed(seed)
        if missing "pomelo-protobuf" or missing "pinus-protobuf" then return end
        cases = cases_by(package, row.types, row.sets)
      end)
      before_each(function()
        if not cases then pending("run npm ci in spec/clients") end
      end)

      it("writes the same bytes, and refuses the same messages", function()
        local written, refused = 0, 0
        for _, case in ipairs(cases) do
          local ours, writes = hex(case.ours), case.theirs.writes
          for _, who in ipairs { "package", "page" } do
            assert_case(case, ours == given(writes[who]), ("%s; %s: %s"):format(
              tostring(ours), who, tostring(writes[who])))
          end
          if ours then written = written + 1 else refused = refused + 1 end
        end
        assert.is_true(written > #cases / 2 and refused > 5, written .. " " .. refused)
      end)

      it("is read by all, and reads what all write", function()
        for _, case in ipairs(cases) do
          local text = case.ours and case.protos:decode("client", "t", case.ours)
          local meant = text and cjson.decode(text)
          for who, theirs in pairs(given(case.theirs.reads) or {}) do
            assert_case(case, equal(meant, theirs), who)
          end
          -- The browser half writes another wire type for integers.
          for who, theirs in pairs(text and case.theirs.writes or {}) do
            if given(theirs) then
              assert_case(case, text == case.protos:decode("client", "t", unhex(theirs)), who)
            end
          end
        end
      end)
    end)
  end
end)
