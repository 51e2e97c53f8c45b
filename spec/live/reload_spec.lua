-- Hot reload of the real program: files are edited while clients talk to it.
-- POMELUA_RELOAD_SECONDS says how long the last spec goes on, 10 when unset.
-- Tests live/watcher.lua.
local apps = require "spec.support.app"
local core = require "pomelua.core"
local net = require "spec.support.net"
local once_of = require "spec.support.once_of"
local pomelo = require "spec.support.pomelo"
local slowness = require "spec.support.slowness"
local tree = require "spec.support.tree"
local uv = require "luv"

local SECONDS = tonumber(os.getenv "POMELUA_RELOAD_SECONDS") or 10

local APP = [[
local app = require("pomelua").createApp()
app:set("connectorConfig", { distinctHost = true })
%s
app:start()
]]

local SERVERS = [[{
  "%s": {
    "connector": [
      {"id": "connector-1", "host": "127.0.0.1", "clientPort": 0, "frontend": true}
    ],
    "chat": [{"id": "chat-1", "host": "127.0.0.1"}]
  }
}]]

-- Says what its generation's number is: as the handler knows it, as a module that is
-- required when it is needed does, and the same again after a wait.
local ECHO = [[
local pomelua = require "pomelua"
local number = require "app.number"
local function answer() return { a = number, b = require "app.number", c = require "app.late" } end
return {
  say = answer,
  slow = function()
    pomelua.sleep(30)
    return answer()
  end,
  back = function(_, _, _, next)
    pomelua.createApp():setTimeout(20, function() next(nil, answer()) end)
  end,
}
]]

local HANDLER = "app/servers/connector/handler/echo.lua"

describe("reload of a running program", function()
  local server, client

  local function start(opts)
    opts = opts or {}
    local files = {
      ["app.lua"] = APP:format(opts.settings or ""),
      ["config/servers.json"] = SERVERS:format(opts.env or "development"),
      ["app/number.lua"] = "return 1\n",
      ["app/late.lua"] = 'return require "app.number"\n',
      [HANDLER] = ECHO,
      ["app/servers/chat/handler/echo.lua"] = ECHO,
    }
    for path, text in pairs(opts.files or {}) do files[path] = text end
    server = apps.start(files, { args = { "--env", opts.env or "development" } })
    client = pomelo.connect(server.ports["connector-1"], "tcp")
  end

  local function write(path, text) tree.write(server.dir, path, text) end

  -- As careful editors save.
  local function replace(path, text)
    write(path .. "~new", text)
    assert(uv.fs_rename(server.dir .. "/" .. path .. "~new", server.dir .. "/" .. path))
  end

  local function logged(text)
    local pattern = "^(.*" .. text:gsub("%p", "%%%0") .. ".*)$"
    return assert(server.process:waitLine(pattern, apps.patience, "err"))
  end

  local function ask(route) return client:request(route or "connector.echo.say", {}) end

  -- Asks until the answer is that; a reload takes some 60 ms.
  local function becomes(number, route)
    local got
    local due = uv.hrtime() + apps.patience * 1e6
    repeat
      got = ask(route).a
    until got == number or uv.hrtime() > due
    assert.equal(number, got)
  end

  after_each(function()
    if client then client:close() end
    local one = server
    server, client = nil, nil
    if one then one:stop { "reload: refused", "oops", "^pomelua: reload " } end
    net.closeAll()
  end)

  it("brings what is saved to all servers within a second", function()
    start()
    assert.same({ a = 1, b = 1, c = 1 }, ask())
    once_of(3, function()
      write("app/number.lua", "return 1\n")
      becomes(1)
      becomes(1, "chat.echo.say")
      local before = uv.hrtime()
      write("app/number.lua", "return 2\n")
      becomes(2)
      becomes(2, "chat.echo.say")
      assert.is_true((uv.hrtime() - before) / 1e9 < slowness)
    end)
    replace("app/number.lua", "return 3\n")
    becomes(3)
    replace("app/number.lua", "return 4\n") -- a watch of the file would be deaf by now
    becomes(4)
  end)

  it("refuses what is broken with file and line, and says so once", function()
    start()
    write("app/number.lua", "return 2 +\n")
    logged "app/number.lua:2: unexpected symbol near '<eof>'"
    assert.same({ a = 1, b = 1, c = 1 }, ask())
    write("app/number.lua", "return 3\n")
    becomes(3)
    local _, n = server.process.err:gsub("connector%-1 reload: refused", "")
    assert.equal(1, n)
  end)

  -- LuaJIT as Debian 12 has it crashes when it parses this; later ones run it into an error.
  it("takes definitions of protobuf that are saved, and refuses wrong ones", function()
    start {
      settings = 'app:set("connectorConfig", { distinctHost = true, useProtobuf = true })',
      files = { ["config/serverProtos.json"] = '{ "onMove": { "required uInt32 x": 1 } }' },
    }
    write("config/serverProtos.json", '{ "onMove": { "required uInt32 y": 1 } }')
    logged "reload: generation 2: config/serverProtos.json"
    write("config/serverProtos.json", '{ "onMove": { "required uint32 y": 1 } }')
    logged "config/serverProtos.json:1: onMove > y: the type uint32 is unknown; uInt32 is one"
    replace("config/serverProtos.json", "{}")
    logged "reload: generation 3: config/serverProtos.json"
    replace("config/clientProtos.json", '{ "connector.echo.say": { "optional bool b": 1 } }')
    logged "reload: generation 4: config/clientProtos.json"
    assert.same({ a = 1, b = 1, c = 1 }, ask())
  end)

  it("refuses a text that some parsers do not survive, and goes on", function()
    start()
    write("app/number.lua", "local x = nil\nfor k in (nil):m() do end\nreturn 2\n")
    logged "connector-1 reload: refused, generation 1 stays: app/number.lua:"
    assert.same({ a = 1, b = 1, c = 1 }, ask())
  end)

  it("survives a parser that crashes", function()
    start()
    -- The process that parses begins with the stack that the program may have by now: too
    -- little for this text.
    local limit = net.spawn("prlimit", { "--pid", tostring(server.process.pid), "--stack=147456:" })
    assert.equal(0, (limit:waitExit()))
    write("app/number.lua", "return " .. ("function() return "):rep(90) .. "1" .. (" end"):rep(90))
    logged "app/number.lua: LuaJIT's parser does not survive it (signal 11)"
    assert.same({ a = 1, b = 1, c = 1 }, ask())
    write("app/number.lua", "return 2\n")
    becomes(2)
  end)

  it("sees new files and folders, removed ones, and folders that are made again", function()
    start()
    write("app/servers/connector/handler/more.lua",
      'local deep = require "app.a.b.deep" return { say = function() return { a = deep } end }')
    write("app/a/b/deep.lua", "return 10\n")
    becomes(10, "connector.more.say")
    write("app/a/b/deep.lua", "return 11\n")
    becomes(11, "connector.more.say")
    tree.remove(server.dir .. "/app/a")
    logged "module 'app.a.b.deep' not found"
    write("app/a/b/deep.lua", "return 12\n")
    becomes(12, "connector.more.say")
    write("app/a/b/deep.lua", "return 13\n")
    becomes(13, "connector.more.say")
    os.remove(server.dir .. "/app/servers/connector/handler/more.lua")
    logged "routes that are gone: connector.more.say"
    assert.equal(500, ask("connector.more.say").code)
  end)

  it("follows a link that is swapped", function()
    start {
      files = { ["app/v1/n.lua"] = "return 1\n", ["app/v2/n.lua"] = "return 2\n",
        ["app/number.lua"] = "return 0\n" },
    }
    local function link(to)
      os.remove(server.dir .. "/app/now")
      assert(uv.fs_symlink(to, server.dir .. "/app/now~"))
      assert(uv.fs_rename(server.dir .. "/app/now~", server.dir .. "/app/now"))
    end
    link "v1"
    write("app/number.lua", 'return require "app.now.n"\n')
    becomes(1)
    link "v2"
    becomes(2)
    write("app/v2/n.lua", "return 3\n")
    becomes(3)
  end)

  it("lets what has begun run to its end", function()
    start { files = { [HANDLER] = ECHO:gsub("pomelua.sleep%(30%)",
      'while not io.open(pomelua.createApp():getBase() .. "/go") do pomelua.sleep(10) end') } }
    local id = client:ask("connector.echo.slow", {})
    write("app/number.lua", "return 2\n")
    becomes(2)
    logged "(1 call of old generations still running)"
    write("go", "")
    assert.same({ a = 1, b = 1, c = 1 }, client:answer(id))
  end)

  it("writes the generation into the log", function()
    start()
    write(HANDLER, 'return { say = function() print "hello" error "oops" end }\n')
    logged "reload: generation 2: app/servers/connector/handler/echo.lua"
    assert.equal(500, ask().code)
    logged "connector-1 [generation 2] hello"
    logged "connector.echo.say [generation 2]: app/servers/connector/handler/echo.lua:1: oops"
  end)

  it("is asked for in production: nothing is watched", function()
    start { env = "production" }
    write("app/number.lua", "return 2\n")
    local tool = net.spawn(net.built "pomelua", { "reload", "-d", server.dir, "app.nowhere" })
    assert.equal(1, (tool:waitExit()))
    assert.is_truthy(tool.err:find("no server has the module app.nowhere", 1, true), tool.err)
    assert.equal(1, ask().a)
    write(HANDLER, ECHO:gsub("back = ", "_back = "))
    tool = net.spawn(net.built "pomelua", { "reload", "-d", server.dir })
    assert.equal(1, (tool:waitExit()))
    assert.is_truthy((tool.out .. tool.err):find("connector.echo.back", 1, true), tool.out)
    assert.equal(1, ask().a)
    tool = net.spawn(net.built "pomelua", { "reload", "-d", server.dir, "--force" })
    assert.equal(0, (tool:waitExit()))
    assert.equal(2, ask().a)
    write("app/number.lua", "return 3\n")
    server.process:kill "sighup"
    becomes(3)
  end)

  it("is off in development when serverConfig.reload is false", function()
    start { settings = 'app:set("serverConfig", { reload = false })' }
    write("app/number.lua", "return 2\n")
    local tool = net.spawn(net.built "pomelua", { "reload", "-d", server.dir, "--dry-run" })
    assert.equal(0, (tool:waitExit()))
    assert.equal(1, ask().a)
  end)
end)

-- ---- a thousand clients, as cheap as they can be ----

local ROUTES = { "connector.echo.say", "chat.echo.say", "connector.echo.slow", "chat.echo.say",
  "connector.echo.back", "connector.echo.say", "chat.echo.slow", "chat.echo.back" }

local function packages(route)
  local list = {}
  for id = 1, 100 do
    list[id] = core.write_package(4, core.write_message {
      type = 0, id = id, route = route, body = "{}",
    })
  end
  return list
end

-- Sends a request, waits for its answer, sends the next, from `begin` until it is told to stop.
local function talker(port, counts, ready)
  local sent = {}
  for i, route in ipairs(ROUTES) do sent[i] = packages(route) end
  local self = { open = nil, id = 0, turn = math.random(#ROUTES) }
  local tcp, rest = uv.new_tcp(), ""

  local function wrong(text)
    counts.wrong = counts.wrong + 1
    counts.why = counts.why or text
  end
  local function ask()
    if counts.stop then return end
    self.turn = self.turn % #ROUTES + 1
    self.id = self.id % 100 + 1
    self.open = self.id
    counts.asked = counts.asked + 1
    tcp:write(sent[self.turn][self.id])
  end
  local function take(bytes)
    local list
    list, rest = core.packages(rest .. bytes, 65536)
    for _, one in ipairs(list) do
      if one.type == 1 then
        tcp:write(core.write_package(2, ""))
        ready()
      elseif one.type ~= 4 then
        wrong("a package of type " .. one.type)
      else
        local msg = core.read_message(one.body)
        local a, b, c = msg.body:match('"a":(%d+)'), msg.body:match('"b":(%d+)'),
          msg.body:match('"c":(%d+)')
        if msg.id ~= self.open then wrong("an answer to " .. tostring(msg.id)) end
        if not a or a ~= b or a ~= c then wrong(msg.body) end
        counts.answers = counts.answers + 1
        if a then counts.numbers[a] = true end
        self.open = nil
        ask()
      end
    end
  end

  tcp:connect("127.0.0.1", port, function(err)
    if err then return wrong(err) end
    tcp:nodelay(true)
    tcp:read_start(function(failed, bytes)
      if bytes then return take(bytes) end
      counts.closed = counts.closed + 1
      wrong(failed or "closed")
    end)
    tcp:write(core.write_package(1, '{"sys":{"type":"spec","version":"1"}}'))
  end)
  self.begin = ask
  function self.close() if not tcp:is_closing() then tcp:close() end end
  return self
end

local function resident(pid)
  local file = assert(io.open("/proc/" .. pid .. "/statm"))
  local pages = file:read("*a"):match("^%d+ (%d+)")
  file:close()
  return tonumber(pages) * 4096 / 2 ^ 20
end

-- A server whose collector never rests takes longer for each connection.
local TALKERS = os.getenv "POMELUA_GC" == "on" and 200 or 1000

describe("a program that reloads ten times a second under full load", function()
  local server

  after_each(function()
    local one = server
    server = nil
    if one then one:stop { "reload: refused" } end
    net.closeAll()
  end)

  it("answers every request once, from one generation, and closes nothing", function()
    server = apps.start({
      ["app.lua"] = APP:format "",
      ["config/servers.json"] = SERVERS:format "development",
      ["app/number.lua"] = "return 1\n",
      ["app/late.lua"] = 'return require "app.number"\n',
      [HANDLER] = ECHO,
      ["app/servers/chat/handler/echo.lua"] = ECHO,
    })
    local counts = { asked = 0, answers = 0, wrong = 0, closed = 0, numbers = {} }
    local talkers, up = {}, 0
    -- Ten at a time: the last of a thousand might wait for longer than a handshake may take.
    local function connect()
      if #talkers == TALKERS then return end
      talkers[#talkers + 1] = talker(server.ports["connector-1"], counts, function()
        up = up + 1
        connect()
      end)
    end
    for _ = 1, 10 do connect() end
    assert(net.wait(function() return up == TALKERS end, 200000))
    -- Not before: a server that is under full load has little time for those who come.
    for _, one in ipairs(talkers) do one.begin() end

    local good, broken, edits = 0, 0, 0
    local path = server.dir .. "/app/number.lua"
    local told = 1 -- where the log had ended at the last edit
    -- Whether the last edit has taken effect: a busy machine may take longer than the editor.
    local function in_force()
      if edits == 0 then return true end
      if edits % 3 ~= 0 then return counts.numbers[tostring(edits + 1)] end
      return server.process.err:find("connector-1 reload: refused", told, true)
    end
    local function edit()
      if not in_force() then return end
      edits, told = edits + 1, #server.process.err + 1
      local text = ("return %d\n"):format(edits + 1)
      if edits % 3 == 0 then
        broken = broken + 1
        text = edits % 2 == 0 and "return 1 +\n" or "return nil + 1\n"
      else
        good = good + 1
      end
      tree.write(server.dir, "app/number.lua~", text)
      assert(uv.fs_rename(path .. "~", path))
    end
    local editor = uv.new_timer()
    editor:start(100, 100, edit)
    local first, samples = nil, {}
    local sampler = uv.new_timer()
    sampler:start(SECONDS * 300, 500, function()
      samples[#samples + 1] = resident(server.process.pid)
      first = first or samples[1]
    end)
    local over = false
    local finish = uv.new_timer()
    finish:start(SECONDS * 1000, 0, function() over = true end)
    net.wait(function() return over end, SECONDS * 1000 + 5000)
    for _, timer in ipairs { editor, sampler, finish } do timer:close() end
    counts.stop = true
    assert(net.wait(function()
      for _, one in ipairs(talkers) do if one.open then return false end end
      return true
    end, 20000), "requests without an answer")

    local last = resident(server.process.pid)
    local seen = 0
    for _ in pairs(counts.numbers) do seen = seen + 1 end
    if os.getenv "POMELUA_RELOAD_SECONDS" then
      print(("%d s: %d requests, %d answers, %d wrong; %d edits, %d of them broken; %d "
        .. "generations answered; resident %.1f MiB after 30 %%, %.1f MiB at the end"):format(
        SECONDS, counts.asked, counts.answers, counts.wrong, edits, broken, seen, first, last))
    end
    for _, one in ipairs(talkers) do one.close() end
    assert.equal(nil, counts.why)
    assert.equal(0, counts.wrong)
    assert.equal(0, counts.closed)
    assert.equal(counts.asked, counts.answers)
    assert.is_true(edits >= 6 and seen >= good, -- the first generation was no edit
      ("%d generations of %d edits were seen"):format(seen, good))
    -- A sanitizer keeps what was freed.
    if not require("luv").os_getenv("POMELUA_PRELOAD") then
      assert.is_true(last < first * 1.25 + 4, ("%.1f MiB, then %.1f MiB"):format(first, last))
    end
    local _, refused = server.process.err:gsub("connector%-1 reload: refused", "")
    assert.is_true(refused >= broken - 1, refused .. " refusals") -- the last may be to come
  end)
end)
