-- What scripts raise may be any value: none of them stops a server.
local errors = require "pomelua.base.errors"
local pomelua = require "pomelua"
local world = require "spec.support.world"

local function raising(name)
  return setmetatable({}, { [name] = function() error("no such thing") end })
end

local values = {
  ["a table that no field can be read of"] = raising "__index",
  ["a table whose __tostring raises"] = raising "__tostring",
  ["a table that cannot be joined"] = raising "__concat",
  ["a table that cannot be compared"] = raising "__eq",
  ["a table whose __tostring waits"] = setmetatable({}, { __tostring = coroutine.yield }),
  ["a table whose __tostring gives no text"] = setmetatable({}, { __tostring = function() end }),
  ["a table whose metatable is hidden"] = setmetatable({}, { __metatable = 1, __index = error }),
  ["a coroutine"] = coroutine.create(print),
  ["a number"] = 7,
  ["false"] = false,
}

describe("errors.without_callback", function()
  it("names the line of the game, and what was called once", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local first = errors.without_callback("session:bind", errors.new("is taken"))
    local second = errors.without_callback("channel:pushMessage", "channel:pushMessage: no route")
    local place = "spec/pomelua/errors_spec.lua:"
    assert.equal(place .. line .. ": session:bind: is taken", first)
    assert.equal(place .. line + 1 .. ": channel:pushMessage: no route", second)
  end)
end)

describe("errors.text", function()
  for name, value in pairs(values) do
    it("has a text for " .. name, function()
      assert.equal("string", type(errors.text(value)))
    end)
  end

  it("is a message that the table itself has", function()
    assert.equal("gone", errors.text { message = "gone" })
    local named = setmetatable({}, { __tostring = function() return "named" end })
    assert.equal("named", errors.text(named))
  end)

  it("is the code of a table that has no message, as an answer has", function()
    assert.equal("code 401", errors.text { code = 401 })
  end)

  it("is the same for every table without a message", function()
    assert.equal(errors.text {}, errors.text {})
  end)
end)

describe("a server whose handler raises", function()
  local w, one, sid, value

  before_each(function()
    w = world.single()
    one = w:load("connector-1", { handlers = { h = {
      now = function() error(value) end,
      later = function()
        pomelua.sleep(10)
        error(value)
      end,
      give = function() return nil, value end,
      pass = function(_, _, _, next)
        pomelua.sleep(10)
        next(value)
      end,
      listen = function()
        one.app.event:emit("e")
        return { code = 200 }
      end,
      sleep = function()
        pomelua.sleep(10)
        return { code = 200 }
      end,
    } } })
    sid = one.node:openSession()
    one.app.event:on("e", function() error(value) end)
  end)
  after_each(function() w:close() end)

  for name, one_value in pairs(values) do
    it(name .. " answers 500 and goes on", function()
      value = one_value
      local function ask(method)
        local answer = w:ask("connector-1", sid, "connector.h." .. method)
        if answer then return answer end
        w:advance(20)
        return w:got("connector-1")[1].text
      end
      for _, method in ipairs { "now", "later", "give", "pass", "listen" } do
        if one_value or method ~= "give" and method ~= "pass" then
          assert.equal(method == "listen" and '{"code":200}' or '{"code":500}', ask(method), method)
          assert.equal('{"code":200}', ask("sleep"), method)
        end
      end
    end)
  end
end)
