-- The place of an error is one in the game's files, also when the call that raised it was the
-- last thing of its function (`return f(x)`), whose frame Lua does not keep.
local test = require "pomelua.test"
local tree = require "spec.support.tree"
local where = require "pomelua.base.where"

local HANDLER = [[
local pomelua = require "pomelua"
local util = require "app.util"
return function(app)
  local Handler = {}
  local room = app:get("channelService"):getChannel("x", true)
  -- the first is on line 7
@methods@
  return Handler
end]]

local FILES = {
  ["config/servers.json"] = [[{
    "chat": [{"id": "chat-1"}],
    "connector": [{"id": "connector-1", "host": "127.0.0.1", "clientPort": 1, "frontend": true}]
  }]],
  ["app.lua"] = [[
local app = require("pomelua").createApp()
app:route("connector", function(session) return session.get("x") end)
app:start()]],
  ["app/util.lua"] = [[
local util = {}
function util.get(session) return session.get("x") end
function util.deep(session, n)
  session:get("x")
  return 1 + util.deep(session, n + 1)
end
return util]],
  ["app/servers/chat/remote/r.lua"] = [[
return function(app)
  return { get = function(session) return session.get("x") end }
end]],
}

-- What a method does, and how the error begins and goes on; @h is the handler's
-- file, {line} the method's line.
local CASES = {
  { 'return session.get("x")', "@h:{line}: session.get: write " },
  { "return room:add(true)", "@h:{line}: bad argument #1 to channel:add " },
  { "return util.get(session)", "@h:{line}: session.get: write " },
  { "local x = util.get(session) return x",
    "@h:{line}: session.get: write ", kept = true },
  { "return session:set({}, 1, {}, app:setTimeout({}))",
    "@h:{line}: setTimeout(ms, fn): ms must be", kept = true },
  { "return app:setTimeout({})", "@h:{line}: setTimeout(ms, fn): ms " },
  { "return pomelua.await(5)", "@h:{line}: pomelua.await(f, ...): f " },
  { "return pomelua.sleep({})", "@h:{line}: pomelua.sleep(ms): ms " },
  { "return session:push(5, 5)", "@h:{line}: session:push(key, cb): " },
  { "return ipairs(nil)", "@h:{line}: bad argument #1 (table expected" },
  { 'return error("no")', "@h:{line}: no" },
  { "pomelua.sleep(5) return session.get()", "@h:{line}: session.get:" },
  { "return coroutine.wrap(function() return session.get() end)()",
    "@h:{line}: session.get: write " },
  { "return { util.deep(session, 1) }", "app/util.lua:", "stack overflow", kept = true },
  { "app:setTimeout(5, function() return session.get() end)",
    "@h:{line}: session.get: write " },
  { 'app.event:once("e", function() return session.get() end) app.event:emit("e")',
    "@h:{line}: session.get: write " },
  { "return pomelua.all { function() return session.get() end }",
    "@h:{line}: session.get: write " },
  { "return error({ message = 'as it is' })", "as it is", kept = true },
  { "return msg.x.y", "@h:{line}: attempt to index field 'x'",
    kept = true },
}

describe("an error's place", function()
  local base, server

  setup(function()
    local methods = {}
    for i, case in ipairs(CASES) do
      methods[i] = ("  function Handler:m%d(msg, session) %s end"):format(i, case[1])
    end
    FILES["app/servers/chat/handler/h.lua"] = HANDLER:gsub("@methods@",
      function() return table.concat(methods, "\n") end)
    base = tree.new(FILES)
    server = test.server { base = base, type = "chat" }
  end)
  teardown(function()
    server:close()
    tree.remove(base)
  end)

  -- The text of the error that follows, behind the name of what failed.
  local function told(name)
    local text
    for _, line in ipairs(server:log()) do
      if line.level == "error" then text = line.text end
    end
    assert.is_truthy(text, "no error")
    local first, trace = text:match("^" .. name .. ": ([^\n]*)(.*)$")
    assert.is_truthy(first, text)
    assert.matches("stack traceback", trace, 1, true)
    return first
  end

  for i, case in ipairs(CASES) do
    it("is the game's: " .. case[1], function()
      server:request("chat.h.m" .. i, {}, { uid = "ann", frontendId = "connector-1" })
      server:tick(20)
      local text = told("[^\n]-[mr]?" .. (case[1]:find("^app[:.]") and "[^:]*" or i))
      local expected = case[2]:gsub("{line}", 6 + i):gsub("@h", "app/servers/chat/handler/h.lua")
      assert.equal(expected, text:sub(1, #expected))
      assert.is_truthy(not case[3] or text:find(case[3], 1, true), text)
      assert.equal(case.kept == nil, text:sub(-#where.UNKNOWN) == where.UNKNOWN, text)
    end)
  end

  it("is the remote's, and the caller is told it", function()
    local err = server:rpc("r.get", { x = 1 })
    assert.matches("^app/servers/chat/remote/r.lua:2: ", tostring(err))
  end)

  it("is where a function begins that was called under protection", function()
    local fn = function(session) return session.get("x") end
    local line = debug.getinfo(fn, "S").linedefined
    local own = debug.getinfo(where.line, "S").short_src
    for _, text in ipairs { "no place", own .. ":7: no place" } do
      assert.equal(("spec/pomelua/where_spec.lua:%d: no place%s"):format(line, where.UNKNOWN),
        where.raised_by(fn, text))
    end
    assert.equal("app/x.lua:7: it", where.raised_by(fn, "app/x.lua:7: it"))
    assert.equal("no place", where.raised_by(print, "no place"))
    assert.equal(fn, where.raised_by(fn, fn))
  end)

  it("is a file that cannot be loaded, not the framework's", function()
    tree.write(base, "app/servers/connector/handler/bad.lua",
      'return require("pomelua").createApp():setTimeout({})')
    local ok, message = pcall(test.server, { base = base, type = "connector" })
    os.remove(base .. "/app/servers/connector/handler/bad.lua")
    assert.is_false(ok)
    assert.matches("app/servers/connector/handler/bad.lua: setTimeout(ms, fn): ms", message, 1,
      true)
  end)

  it("knows the framework's files by their names, shortened ones too", function()
    local own = debug.getinfo(where.line, "S").short_src
    assert.is_true(where.is_own(own))
    local path = debug.getinfo(where.line, "S").source:sub(2)
    for keep = #"pomelua/base/where.lua", #path - 1 do
      assert.is_true(where.is_own("..." .. path:sub(-keep)))
    end
    assert.is_false(where.is_own("app/servers/chat/handler/h.lua"))
    assert.is_false(where.is_own("...rvers/chat/handler/h.lua"))
    assert.is_false(where.is_own("..."))
  end)
end)
