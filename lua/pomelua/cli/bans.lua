-- cli.bans: `pomelua ban`, `unban` and `bans`. A program that runs is asked; where none runs, the
-- file of bans is edited, under its lock, and the command says so.
local ask = require "pomelua.cli.ask"
local ban_list = require "pomelua.base.ban_list"
local bans = require "pomelua.ops.bans"
local command = require "pomelua.cli.command"
local duration = require "pomelua.base.duration"
local files = require "pomelua.base.files"
local json = require "pomelua.base.json"
local place = require "pomelua.ops.place"
local shared = require "pomelua.cli.shared"
local sockets = require "pomelua.cli.sockets"
local texts = require "pomelua.cli.text"

local fail = texts.fail

local ban_commands = {}

local PATIENCE = 10000 -- ms for the lock: nothing else waits for a command

-- The words are [DIR] UID|ADDRESS, or [DIR] behind --uid.
local function target(given)
  local n = given.uid and 0 or 1
  if #given == n + 1 and not given.dir then given.dir = table.remove(given, 1) end
  if #given > n then
    return nil, given.uid and "give --uid or one word, not both"
      or "give one uid or address; a folder comes before it, or behind -d"
  end
  local word, what, message = given[1], "uid"
  if not given.uid and not word then return nil, "give a uid or an address" end
  if given.uid then
    word, message = ban_list.uid(given.uid)
  elseif ban_list.is_address(word) then
    what = "address"
    word, message = ban_list.address(word)
  else
    word, message = ban_list.uid(word)
  end
  if not word then return nil, message end
  return { [what] = word }
end

local function request_of(name, given)
  local request, message = target(given)
  if not request then return nil, message end
  request.command = name
  if given.time then
    request.seconds, message = duration.seconds(given.time)
    if not request.seconds then return nil, "--for " .. message end
  end
  request.reason, message = ban_list.check_reason(given.reason)
  if message then return nil, "--reason: " .. message end
  return request
end

-- The list of bans where no program runs.
local function list_of(given)
  local dir = given.dir or "."
  local base = files.absolute(dir)
  if not base then return nil, dir .. ": there is no such folder" end
  local folder, what = place.state(base, given.state)
  if not folder then return nil, what end
  if what == "app" and not files.exists(base .. "/app.lua") then
    return nil, ("there is no app.lua in %s, and no program runs there"):format(dir)
  end
  return bans.new(folder)
end

local function finish(given, answer, note)
  if given.json then
    io.stdout:write(assert(json.encode(answer)), "\n")
  else
    io.stdout:write(answer.message, "\n")
  end
  if note then io.stderr:write(note, "\n") end
  return 0
end

-- Edits the file. Gives nothing when a program has come meanwhile.
local function edit(given, request)
  local list, message = list_of(given)
  if not list then return fail(1, message) end
  files.make_private(list.folder)
  list.lock_ms = PATIENCE
  local function look()
    if #sockets.now(given.dir or ".", given.state) > 0 then return nil, nil, "BUSY" end
    return true
  end
  local ban, wrong, code = list[request.command](list, request, look)
  if code == "BUSY" then return nil end
  if not ban then return fail(1, wrong) end
  local text = request.command == "unban" and ban_list.who(ban) .. " is not banned any more"
    or ("%s is banned %s"):format(ban_list.who(ban), ban_list.told(ban, list.now()))
  return finish(given, { ok = true, message = text, ban = ban },
    ("no pomelua runs in %s: written into %s"):format(given.dir or ".", list:path()))
end

-- Asks the programs of the folder, of which each has its own frontends, or one of a cluster, which
-- tells the others. Gives nothing when there is a bus, and none on it.
local function ask_all(given, request, places)
  local status = 0
  for _, one in ipairs(places) do
    local told
    local ok, message, code = ask.program({ json = given.json, place = one }, request,
      function(reply) told = reply end)
    if code == "NOBODY" and not given.bus then return nil end
    if not ok then
      status = fail(1, message)
    elseif not given.json then
      io.stdout:write(told and told.message or message or "done", "\n")
    end
    if ok and told and told.everywhere then break end
  end
  return status
end

local function change(given)
  local request = given.request
  while true do
    local places, message = ask.places(given)
    if not places then return fail(1, message) end
    local status = places[1] and ask_all(given, request, places)
    if status then return status end
    if given.pid then return fail(1, sockets.none(given.dir or ".", given.state)) end
    status = edit(given, request)
    if status then return status end
  end
end

local function row(ban, now)
  return ("%-8s %-24s %s\n"):format(ban.uid and "uid" or "address",
    ban_list.name(ban), ban_list.told(ban, now))
end

local function show(given)
  local places, message = ask.places(given)
  if not places then return fail(1, message) end
  local found, file, asked = {}, nil, places[1] ~= nil
  if asked then
    local ok, code
    ok, message, code = ask.program({ place = places[1] }, { command = "bans" }, function(reply)
      for _, ban in ipairs(reply.bans or {}) do found[#found + 1] = ban end
    end)
    asked = code ~= "NOBODY" or given.bus ~= nil
    if asked and not ok then return fail(1, message) end
  end
  if not asked then
    file, message = list_of(given)
    if not file then return fail(1, message) end
    local ok
    ok, message = file:load()
    if not ok then return fail(1, message) end
    for _, ban in ipairs(file:list()) do
      if not ban_list.is_over(ban, file.now()) then found[#found + 1] = ban end
    end
  end
  local now = bans.new(nil).now()
  for _, ban in ipairs(found) do
    io.stdout:write(given.json and assert(json.encode(ban)) .. "\n" or row(ban, now))
  end
  if not given.json and not found[1] then io.stdout:write("nobody is banned\n") end
  if file then
    io.stderr:write(("no pomelua runs in %s: read from %s\n"):format(given.dir or ".",
      file:path()))
  end
  return 0
end

local function new(entry)
  entry.group = "operate"
  local ask_options = shared.join(shared.ASK)
  ask_options[1] = shared.DIR -- DIR alone stands before the other word
  entry.options = shared.join(entry.options or {}, ask_options)
  if entry.run == nil then
    entry.run, entry.words = change, { "uid" }
    function entry.check(given)
      local message
      given.request, message = request_of(entry.name, given)
      return message
    end
  end
  entry.statuses = { [1] = "the program has refused or does not answer, or the file of bans could "
    .. "not be read or written" }
  entry.environment, entry.files = shared.ASK_ENVIRONMENT, shared.ASK_FILES
  return command.new(entry)
end

local UID = {
  "--uid", value = "TEXT", field = "uid",
  text = 'a user, however the text reads; 7 and "7" are the same user',
}

ban_commands.ban = new {
  name = "ban",
  summary = "ends the sessions of a user or an address, and lets no new ones in",
  usage = "[DIR] UID|ADDRESS [options]",
  text = [[
Bans a user, or an address or network: sessions end at once on all frontends, with the reason, and
new ones are refused, in all programs of a cluster. What reads as an address or a network
(10.0.0.7, 10.0.0.0/8, 2001:db8::/32) is one. Without a running program the file of bans is edited.
]],
  options = {
    UID,
    {
      "--for", value = "TIME", field = "time",
      text = "how long: 90s, 15m, 24h, 7d, 2w; until pomelua unban when left out",
    },
    { "--reason", value = "TEXT", field = "reason", text = "what the client is told" },
  },
  examples = {
    { "pomelua ban ann --for 24h --reason 'be kind'", "bans a user for a day" },
    { "pomelua ban 10.0.0.0/8", "bans a network, until it is unbanned" },
  },
  see = { "unban", "bans", "kick" },
}

ban_commands.unban = new {
  name = "unban",
  summary = "takes a ban off",
  usage = "[DIR] UID|ADDRESS [options]",
  text = "Takes a ban off. An address or a network is given as it was banned.",
  options = { UID },
  examples = { { "pomelua unban ann", "lets a user in again" } },
  see = { "ban", "bans" },
}

ban_commands.bans = new {
  name = "bans",
  summary = "shows who is banned",
  usage = "[DIR] [options]",
  text = [[
Shows the bans of the program that runs in DIR, the oldest first: who, until when and why; where
none runs, those of the file.
]],
  folder = "only", words = { "dir" },
  examples = { { "pomelua bans --json", "the bans as one JSON object per line" } },
  see = { "ban", "unban" },
  run = show,
}

return ban_commands
