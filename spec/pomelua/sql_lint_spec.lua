-- SQL that is put together from values. Tests cli/sql_lint.lua.
local lint = require "pomelua.cli.sql_lint"

describe("SQL that is put together", function()
  for code, lines in pairs {
    ['db:query("select * from a where b = \'" .. name .. "\'")'] = { 1 },
    ['local x\ndb:exec(("update a set b = %d"):format(x))'] = { 2 },
    ['tx:query(string.format("select %s", x), y)'] = { 1 },
    ["\n\ndb:query([[ select * from\n a where b = ]] ..\n  msg.name, 7)"] = { 4 },
    ['db:query("insert into a" % { x })'] = { 1 },
    ['app:get("databases").players:query("delete from a where b =" .. f("x, y"), 1)'] = { 1 },
    ['db:query("SELECT " .. a)\ndb:query("select 1")\ndb:exec("drop table " .. b)'] = { 1, 3 },
    -- The rest is none, or no SQL.
    ['db:query("select a " .. "from b " ..\n [[where c = $1]], name .. "x")'] = {},
    ['db:query("select a from b where c % 2 = $1", a % b)'] = {},
    ['db:query(SQL, "a" .. b)'] = {},
    ['-- db:query("select " .. a)\n--[[ db:query("select " .. a) ]]'] = {},
    ["local text = 'db:query(\"select \" .. a)'"] = {},
    ['http:query("https://" .. host)'] = {},
    ['query("select " .. a)'] = {},
    ['db:query("select \\" .. x", y)'] = {},
    ['db:query("select'] = {},
    [""] = {},
  } do
    it(("is found in the lines { %s } of %q"):format(table.concat(lines, ", "), code), function()
      assert.same(lines, lint.lines(code))
    end)
  end
end)
