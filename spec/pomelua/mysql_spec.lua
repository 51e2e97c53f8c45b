-- pomelua.mysql: its options. spec/core/store_mysql_spec.lua has a real server.
local mysql = require "pomelua.mysql"

describe("mysql.open", function()
  local function open(options)
    local all = { host = "db", user = "game", database = "game" }
    for key, value in pairs(options) do all[key] = value end
    return mysql.open(all)
  end

  it("takes parts or a url, and connects to nothing before a call", function()
    assert.equal("mysql", open({}).kind)
    assert.equal("mysql", open({ tls = true, connections = 2, idle = 1000 }).kind)
    assert.equal("mysql", mysql.open({ url = "mysql://game:secret@db:3307/game" }).kind)
    assert.equal("mysql", mysql.open({ url = "mariadb://game@db/game", tls = "ca.crt" }).kind)
  end)

  it("has the file of an authority below the app's folder", function()
    assert.equal("./ca.crt", open({ tls = "ca.crt" }).handle.options.tls)
    assert.equal("/etc/ca.crt", open({ tls = "/etc/ca.crt" }).handle.options.tls)
    assert.is_nil(open({ tls = false }).handle.options.tls)
  end)

  it("raises at the game's line what is no option, without a secret", function()
    for message, options in pairs {
      ["host must be a text"] = { host = "" },
      ["there is no option hots; did you mean host"] = { hots = "a" },
      ["port must be a whole number from 1 to 65535"] = { port = 0 },
      ["password must be a text, got a number"] = { password = 12345 },
      ["tls must be true, false or the path of a file"] = { tls = 5 },
      ["connections must be"] = { connections = 65 },
    } do
      local ok, err = pcall(open, options)
      assert.is_false(ok)
      assert.matches("^spec/pomelua/mysql_spec%.lua:%d+: mysql%.open: " .. message, err)
      assert.is_nil(err:find("12345", 1, true))
    end
    assert.has_error(function() mysql.open() end)
    assert.has_error(function() mysql.open { host = "db", user = "game" } end)
    assert.has_error(function() mysql.open { url = "redis://db/game" } end)
  end)
end)
