-- What a script wants called when an object has died.
local ffi = require "ffi"
local finalizers = require "pomelua.run.finalizers"
local log = require "pomelua.base.log"

ffi.cdef "typedef struct { int x; } finalizers_spec_t; typedef struct { int x; } finalizers_spec_u;"

describe("a finalizer", function()
  local before, lines

  before_each(function()
    before = { newproxy = _G.newproxy, gc = ffi.gc, metatype = ffi.metatype, error = log.error }
    lines = {}
    log.error = function(format, ...) lines[#lines + 1] = format:format(...) end
    finalizers.protect() -- a spec reads globals through a table of its own: hence _G below
  end)

  after_each(function()
    _G.newproxy, ffi.gc, ffi.metatype = before.newproxy, before.gc, before.metatype
    log.error = before.error
  end)

  local function collect()
    collectgarbage()
    collectgarbage()
  end

  local function logged(text)
    collect()
    assert.equal(1, #lines)
    assert.matches("a finalizer: .*" .. text .. ".*stack traceback", lines[1])
  end

  it("of a proxy is called with it", function()
    local called
    do
      local proxy = _G.newproxy(true)
      getmetatable(proxy).__gc = function(object) called = type(object) end
    end
    collect()
    assert.equal("userdata", called)
    assert.same({}, lines)
  end)

  it("of a proxy may fail", function()
    getmetatable(_G.newproxy(true)).__gc = function() error("first") end
    logged("first")
  end)

  it("of ffi.gc may fail, and can be taken away", function()
    ffi.gc(ffi.gc(ffi.new("finalizers_spec_t"), function() error("never") end), nil)
    ffi.gc(ffi.new("finalizers_spec_t"), function() error("second") end)
    logged("second")
  end)

  it("of ffi.metatype may fail", function()
    ffi.metatype("finalizers_spec_u", { __gc = function() error("third") end })()
    logged("third")
  end)

  it("leaves other fields of a proxy's metatable as they are", function()
    local proxy = _G.newproxy(true)
    getmetatable(proxy).__index = function(_, key) return key .. "!" end
    assert.equal("name!", proxy.name)
    assert.equal(getmetatable(proxy), getmetatable(_G.newproxy(proxy)))
    assert.is_nil(getmetatable(_G.newproxy()))
    assert.is_nil(getmetatable(_G.newproxy(false)))
  end)
end)
