-- docs/deployment.md, followed from nothing as it stands there: its commands run in a machine of
-- their own (spec/support/debian), and players stay in the chat while the operator works.
-- It measures nothing: another one may run beside it.
local debian = require "spec.support.debian"
local deployment = require "spec.support.deployment"
local net = require "spec.support.net"
local page = require "spec.clients.support"
local read = require("spec.support.files").read

local PATIENCE = 30000
local LIST = "pomelua list /srv/pomelua/chat --state /var/lib/pomelua/chat"

-- Somebody who plays over wss, says a number every 100 ms, and writes down what happens, a line for
-- each event. The file play/NAME.cut breaks the line, play/NAME.end is the end.
local PLAYER = [[
  local client = require "pomelua.client"
  local pomelua = require "pomelua"
  local name = ...
  local tls = { ca = "/tmp/authorities.crt" }
  local host = "game.example.org"
  local function note(...)
    print(table.concat({ ... }, " "))
    io.stdout:flush()
  end
  local function there(what)
    local file = io.open("/tmp/play/" .. name .. what)
    if not file then return false end
    file:close()
    os.remove("/tmp/play/" .. name .. what)
    return true
  end
  -- Where to connect to, and the token for it; while the gate is away nil and a message.
  local token
  local function ask()
    local gate, message = client.connect { host = host, port = 3014, tls = tls }
    if not gate then return nil, message end
    local entry
    entry, message = gate:request("gate.gateHandler.queryEntry", { uid = name, rid = "hall" })
    gate:close()
    if not entry then return nil, message end
    token = assert(entry.token)
    return entry.host, entry.port
  end
  local at, port = assert(ask())
  local me = assert(client.connect { host = at, port = port, tls = tls,
    address = ask, token = function() return token end, resume = true,
    login = function(c)
      local answer = assert(c:request("connector.entryHandler.enter",
        { username = name, rid = "hall" }))
      assert(answer.users, "not let in")
      note("in")
    end })
  me:on("onChat", function(m) note("chat", m.from, m.msg, tostring(m.release or "")) end)
  me:on("onAdd", function(m) note("add", m.user) end)
  me:on("onLeave", function(m) note("leave", m.user) end)
  local n = 0
  while not there(".end") do
    if there(".cut") then
      me:cut()
      note("cut")
    end
    n = n + 1
    local answer, message, code = me:request("chat.chatHandler.send",
      { content = tostring(n), target = "*" })
    note(answer and answer.route and "said" or "unsaid", n, code or message or "")
    pomelua.sleep(100)
  end
  note("resumed", me.resumed or 0)
]]

describe("docs/deployment.md", function()
  local missing = debian.missing() -- rights, which a machine may lack; nothing to install
  local steps = deployment.steps(read "docs/deployment.md")
  local box

  -- Does the steps of one chapter; `change` may change the text of one.
  local function follow(heading, change)
    local count = 0
    for _, step in ipairs(steps) do
      if step.heading == heading then
        count = count + 1
        local text = change and change(step.text) or step.text
        if step.path then box:write(step.path, step.text) else box:run(text) end
      end
    end
    assert(count > 0, "no chapter " .. heading)
  end

  local function heard(who) return box:run(("cat /tmp/%s.out"):format(who)) end
  local function lines(who, pattern)
    local _, n = heard(who):gsub(pattern, "")
    return n
  end
  -- Waits until a player has heard or done something more often than before `act`.
  local function more(who, pattern, act)
    local before = lines(who, pattern)
    if act then box:run(act) end
    assert(net.wait(function() return lines(who, pattern) > before end, PATIENCE),
      ("%s: no more %q\n%s"):format(who, pattern, heard(who):sub(-2000)))
  end
  local function both_play()
    more("ann", "chat bob %d+")
    more("bob", "chat ann %d+")
  end
  -- The numbers that `who` has heard of `from` have no gap and none stands there twice.
  local function assert_whole(who, from)
    local last
    for number in heard(who):gmatch("chat " .. from .. " (%d+)") do
      number = tonumber(number)
      assert(not last or number == last + 1, ("%s heard %s of %s after %s"):format(who, number,
        from, tostring(last)))
      last = number
    end
  end
  local function fingerprint(port)
    return box:run(("openssl s_client -connect game.example.org:%d -servername game.example.org "
      .. "</dev/null 2>/dev/null | openssl x509 -noout -serial"):format(port))
  end

  setup(function()
    if missing then return end
    box = debian.new()
    box:run("echo 127.0.0.1 game.example.org >> /etc/hosts")
  end)
  teardown(function()
    if box then box:close() end
    net.closeAll()
  end)

  local function fact(name, run)
    it(name, function()
      if missing then return pending(missing) end
      run()
    end)
  end

  fact("leads from nothing to a game that is up, on port 443 with TLS", function()
    for _, heading in ipairs { "What you need", "Install", "The folder of the game",
      "Certificates", "Tokens", "The settings" } do
      follow(heading)
    end
    box:run("cat /root/ca/ca.crt /root/public.crt > /tmp/authorities.crt")
    box:run("export CURL_CA_BUNDLE=/tmp/authorities.crt")
    follow "Start"
    follow "Limits"
    follow "Logs"
    follow "Health and counters"
    assert.matches('"up":5,"servers":5', box:run("curl -fsS https://game.example.org/health"))
    assert.matches("pomelua.js", box:run("curl -fsS https://game.example.org/chat.js"))
    assert.matches('"tokensAccepted"', box:run("cat /tmp/counters.json"))
  end)

  fact("is played over wss with tokens, by nobody without one", function()
    box:write("/tmp/player.lua", PLAYER)
    box:run("mkdir -m 777 /tmp/play")
    for _, name in ipairs { "ann", "bob" } do
      box:run(("setpriv --reuid 65534 --regid 65534 --clear-groups "
        .. "pomelua run /tmp/player.lua %s > /tmp/%s.out 2>&1 &"):format(name, name))
    end
    assert(net.wait(function() return lines("ann", "^in\n") + lines("bob", "^in\n") == 2 end,
      PATIENCE))
    both_play()
    -- Two people in Chromium, whose page knows nothing but its address: looked at further down.
    if not page.missing "page" then
      box:run([[
        key_of() { openssl x509 -in $1 -pubkey -noout | openssl pkey -pubin -outform der |
          openssl dgst -sha256 -binary | openssl enc -base64; }
        POMELUA_TRUST=$(key_of /etc/pomelua/chat/tls.crt),$(key_of /root/public.crt) \
          node spec/clients/secure.js https://game.example.org/ /tmp/shots \
          > /tmp/pages.out 2>&1 &
      ]])
    end
    box:write("/tmp/nobody.lua", [[
      local client = require "pomelua.client"
      for _, port in ipairs { 3050, 3051 } do
        print(select(2, client.connect { host = "game.example.org", port = port,
          tls = { ca = "/tmp/authorities.crt" } }))
        print(select(2, client.connect { host = "game.example.org", port = port }))
      end
    ]])
    local said = box:run("pomelua run /tmp/nobody.lua")
    assert.equal(2, select(2, said:gsub("the handshake was refused: code 401", "")), said)
    assert.equal(4, select(2, said:gsub("\n", "")), said)
  end)

  fact("lets the game write to its own folder alone", function()
    local pid = box:run(LIST .. " --json | grep -o '\"pid\":[0-9]*' | head -n 1"):match("%d+")
    local status = box:run(("cat /proc/%s/status"):format(pid))
    local uid = tonumber(status:match("\nUid:%s+(%d+)"))
    assert(uid >= 61184, "it runs as " .. uid)
    assert.equal("", box:run(("find -L /srv/pomelua/chat /etc/pomelua -user %d -o -perm /022")
      :format(uid)))
    assert.matches("bans.json", box:run(("find /var/lib/pomelua/chat -user %d"):format(uid)))
    -- Nor can it read another game's, or any key that is not its own.
    assert.equal("640 root chat-keys\n",
      box:run("stat -c '%a %U %G' /etc/pomelua/chat/tls.key"))
  end)

  fact("has resume: a line that breaks loses nothing, and nobody sees it", function()
    for _ = 1, 2 do
      more("ann", "\ncut", "touch /tmp/play/ann.cut")
      both_play()
    end
    assert_whole("bob", "ann")
    assert_whole("ann", "bob")
    assert.equal(0, lines("bob", "\nleave ann"))
    assert.equal(1, lines("ann", "in\n"))
  end)

  fact("renews certificates while they play", function()
    local before = fingerprint(443)
    box:run("certbot renew")
    for _, port in ipairs { 443, 3014, 3050, 3051 } do
      assert(net.wait(function() return fingerprint(port) ~= before end, PATIENCE), port)
    end
    both_play()
    assert.equal(1, lines("ann", "in\n"))
  end)

  fact("runs two games beside each other, and takes backups that can be restored", function()
    follow "Several games"
    box:run("pomelua ban /srv/pomelua/chat --state /var/lib/pomelua/chat eve*hall --for 24h")
    follow "Backups"
    assert.matches("eve", box:run("cat /var/backups/pomelua/*/chat-bans.json"))
    assert.matches("tls.key", box:run("tar -tzf /var/backups/pomelua/*/etc.tar.gz"))
    assert.matches("area%-server%-1 +area +up",
      box:run("pomelua list /srv/pomelua/arena --state /var/lib/pomelua/arena"))
    both_play()
  end)

  fact("is played by people in Chromium, over wss with tokens", function()
    local without = page.missing "page"
    if without then return pending(without) end
    local seen
    assert(net.wait(function()
      seen = box:run("cat /tmp/pages.out")
      return seen:find('"done"', 1, true) or seen:find("failed", 1, true)
    end, 2 * PATIENCE))
    for _, what in ipairs(page.SECURE) do
      assert(seen:find(('"ok","what":"%s"'):format(what), 1, true), seen)
    end
  end)

  fact("updates the game while they play, and server by server", function()
    local ins = lines("ann", "in\n")
    local first = true
    follow("Updates", function(text)
      if not first then return "true" end
      first = false
      return (text:gsub("pomelua check", "sed -i 's/local chat = { /local chat = { release = 2, /' "
        .. "/srv/releases/chat/2/app/servers/chat/handler/chatHandler.lua\npomelua check", 1))
    end)
    more("ann", "chat bob %d+ 2\n")
    more("bob", "chat ann %d+ 2\n")
    assert.equal(ins, lines("ann", "in\n"))
    assert_whole("ann", "bob")
    assert_whole("bob", "ann")
    -- What comes behind it ends the sessions, and they come back.
    follow("Updates", function(text)
      if text:find("systemctl reload", 1, true) then return "true" end
      return text
    end)
    assert(net.wait(function() return lines("ann", "in\n") > ins end, PATIENCE))
    both_play()
    assert.matches('"up":5,"servers":5', box:run("curl -fsS https://game.example.org/health"))
    for _, name in ipairs { "ann", "bob" } do
      more(name, "\nresumed", ("touch /tmp/play/%s.end"):format(name))
    end
    assert.matches("\nresumed 2\n", heard("ann"))
  end)

  fact("ends without an error in the log", function()
    box:run("systemctl stop pomelua@chat pomelua@arena")
    for _, game in ipairs { "chat", "arena" } do
      local log = box:run(("cat /var/log/pomelua@%s.log"):format(game))
      assert.is_nil(log:match("[^\n]* error [^\n]*"))
    end
  end)
end)
