-- docs/protocol.md and docs/protocol-server.md: what comments cite is there, under one number,
-- and their test vectors are what Pomelua's code reads and writes.
local core = require "pomelua.core"
local cjson = require "cjson"
local digest = require "pomelua.base.digest"

local read = require("spec.support.files").read

local function none(wrong)
  assert(#wrong == 0, "\n" .. table.concat(wrong, "\n"))
end

local documents = { read "docs/protocol.md", read "docs/protocol-server.md" }

-- Text under the heading of each number, up to the next heading.
local sections = {}
for _, text in ipairs(documents) do
  local at
  for line in (text .. "\n"):gmatch("(.-)\n") do
    local number = line:match("^##+ (%d[%d.]*) ")
    if number then
      at = number
      sections[at] = ""
    elseif at then
      sections[at] = sections[at] .. line .. "\n"
    end
  end
end

describe("the headings", function()
  local numbers = {}
  for _, text in ipairs(documents) do
    for marks, number in ("\n" .. text):gmatch("\n(##+) (%d[%d.]*) %S") do
      numbers[#numbers + 1] = { marks = #marks, text = number }
    end
  end

  it("have each number once, sections behind their chapter", function()
    local wrong, seen, chapter = {}, {}, nil
    for _, number in ipairs(numbers) do
      if seen[number.text] then wrong[#wrong + 1] = number.text .. ": twice" end
      seen[number.text] = true
      if number.marks == 2 then chapter = number.text end
      local of = number.text:match("^(%d+)%.%d+$")
      if (number.marks == 3) ~= (of ~= nil) or of and of ~= chapter then
        wrong[#wrong + 1] = number.text .. ": in the wrong place"
      end
    end
    for i = 0, 25 do
      if not seen[tostring(i)] then wrong[#wrong + 1] = i .. ": not there" end
    end
    none(wrong)
  end)

  it("are there for each citation in the code", function()
    local wrong, count, there = {}, 0, {}
    for _, number in ipairs(numbers) do there[number.text] = true end
    local pipe = assert(io.popen("find core lua spec examples bench tools docs -type f \\( "
      .. "-name '*.[ch]' -o -name '*.lua' -o -name '*.sh' -o -name '*.js' -o -name '*.md' \\)"
      .. " -not -path '*/node_modules/*' | sort"))
    for path in pipe:lines() do
      -- A comment that goes on in the next line is one text.
      local text = read(path):gsub("\n[ \t]*[-*/#]*[ \t]*", " ")
      for number, rest in text:gmatch("%f[%w-]protocol (%d[%d.]*)(.?.?.?.?.?.?)") do
        count = count + 1
        if not there[(number:gsub("%.$", ""))] then
          wrong[#wrong + 1] = path .. ": no heading for protocol " .. number
        elseif rest:find("^, %d") or rest:find("^ and %d") or rest:find("^ to %d") then
          wrong[#wrong + 1] = path .. ": say protocol before each number: " .. number .. rest
        end
      end
      for old in text:gmatch("%f[%a][Rr]eference'?s? [%a ]*%d[%d.]*") do
        wrong[#wrong + 1] = path .. ": say protocol N.N: " .. old
      end
    end
    pipe:close()
    assert(count > 30, count .. " citations were found")
    none(wrong)
  end)
end)

-- Rows of the tables in a text, as lists of cells.
local function rows(text)
  local list, head = {}, true
  for line in (text .. "\n"):gmatch("(.-)\n") do
    if not line:find("^|") then
      head = true
    elseif line:find("^|%-") then
      head = false
    elseif not head then
      local cells = {}
      for cell in line:sub(2):gmatch("([^|]*)|") do cells[#cells + 1] = cell:match("^ *(.-) *$") end
      list[#list + 1] = cells
    end
  end
  assert(#list > 0, "no table")
  return list
end

local function bytes_of(cell)
  local digits = cell:gsub(" ", "")
  assert(digits:find("^%x+$") and #digits % 2 == 0, "these are no bytes: " .. cell)
  return (digits:gsub("%x%x", function(two) return string.char(tonumber(two, 16)) end))
end

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function base64(bytes)
  local signs = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  local text = bytes:gsub("..?.?", function(part)
    local a, b, c = part:byte(1, 3)
    local n = a * 65536 + (b or 0) * 256 + (c or 0)
    local out = ""
    for i = 3, 0, -1 do
      local at = math.floor(n / 64 ^ i) % 64 + 1
      out = out .. (3 - i <= #part and signs:sub(at, at) or "=")
    end
    return out
  end)
  return text
end

-- What stands between backticks, nil for an empty cell.
local function quoted(cell) return cell:match("^`(.*)`$") end

describe("the vectors of protocol 25.1", function()
  for _, row in ipairs(rows(sections["25.1"])) do
    local type, body, bytes = tonumber(row[1]), quoted(row[2]) or "", bytes_of(row[3])

    it(row[3] .. " is written and read", function()
      assert.equal(hex(bytes), hex(core.write_package(type, body)))
      local packages, rest = core.packages(bytes)
      assert.same({ { type = type, body = body } }, packages)
      assert.equal("", rest)
    end)
  end

  it("the stream of three packages is cut into them", function()
    local stream = bytes_of(assert(sections["25.1"]:match("The bytes `([%x ]+)`")))
    assert.same({ { type = 3, body = "" }, { type = 4, body = "ab" }, { type = 2, body = "" } },
      (core.packages(stream)))
  end)
end)

describe("the vectors of protocol 25.2", function()
  local types = { REQUEST = 0, NOTIFY = 1, RESPONSE = 2, PUSH = 3 }

  for _, row in ipairs(rows(sections["25.2"])) do
    local bytes = bytes_of(row[6])
    if row[1] == "refused" then
      it(row[6] .. " is refused", function()
        local message, _, name = core.read_message(bytes)
        assert.is_nil(message)
        assert.equal("PROTO", name)
      end)
    else
      it(row[6] .. " is written and read", function()
        local message = {
          type = assert(types[row[1]]), id = tonumber(row[2]) or 0, route = quoted(row[3]),
          code = tonumber(row[3]), gzip = row[4] == "yes", body = quoted(row[5]) or "",
        }
        assert.equal(hex(bytes), hex((assert(core.write_message(message)))))
        assert.same(message, core.read_message(bytes))
      end)
    end
  end
end)

describe("the vectors of protocol 25.3", function()
  local definition = assert(sections["25.3"]:match("```json\n(.-)```"))
  local protos = assert(core.protos(([[{ "t": %s, "onMove": { "required uInt32 entityId": 1,
    "repeated Path path": 2, "required uInt32 speed": 3,
    "message Path": { "required uInt32 x": 1, "required uInt32 y": 2 } } }]]):format(definition)))
  for _, row in ipairs(rows(sections["25.3"])) do
    it("the message " .. row[1], function()
      local text = assert(quoted(row[1]))
      local route = text:find("entityId", 1, true) and "onMove" or "t"
      local bytes, message = protos:encode("server", route, text)
      if row[2] == "fails" then
        assert.is_nil(bytes)
        assert.matches("clients cannot read an empty message", message, 1, true)
        return
      end
      assert.equal(hex(bytes_of(row[2])), hex(bytes))
      local got = cjson.decode((assert(protos:decode("server", route, bytes))))
      local meant = cjson.decode(text)
      if meant.f then -- a float has fewer digits
        assert.is_true(math.abs(got.f - meant.f) < 1e-7)
      else
        assert.same(meant, got)
      end
    end)
  end
end)

describe("the vectors of protocol 25.4", function()
  it("have the versions that stand below them", function()
    local count = 0
    for text, version in sections["25.4"]:gmatch("```json\n(.-)\n```.-version is `([^`]+)`") do
      count = count + 1
      assert.equal(version, base64(bytes_of(digest.md5(text))))
    end
    assert.equal(2, count)
  end)

  it("are made of the definitions", function()
    local client, server, version = sections["25.4"]:match("definitions of `([^`]+)` for clients "
      .. "and\n`([^`]+)` for servers.-\nTheir version is `([^`]+)`")
    assert.equal(version, core.protos(server, client):version())
  end)
end)

describe("the vectors of protocol 25.5", function()
  for _, row in ipairs(rows(sections["25.5"])) do
    it("the checksum of " .. row[1], function()
      local sum = core.crc32(quoted(row[1]))
      assert.equal(math.abs(tonumber(row[2])), sum)
      assert.equal(tonumber(row[3]), sum % 3)
    end)
  end
end)
