-- banned: the bans as a frontend has them from its program: a session that binds a banned uid is
-- ended, and so are those that are there when a ban comes. Addresses are looked up in C
-- (node/banned), at the handshake, before any script runs.
local ban_list = require "pomelua.base.ban_list"
local text_of = require("pomelua.base.text").of

local banned = {}

local FORBIDDEN = 403 -- the code of a handshake's answer

-- C's list of networks, which is replaced as a whole.
local function set_networks(server)
  local list = {}
  for _, ban in pairs(server.bans.by_address) do
    list[#list + 1] = { ban.address, ban_list.reason(ban), ban_list.body(ban) }
  end
  return assert(server.node:banNetworks(list))
end

local function end_sessions(server, ban)
  local sids = server.node:sidsOf(ban.uid)
  for i = 1, #sids do server.node:endBanned(sids[i], ban_list.reason(ban)) end
  return #sids
end

-- Takes over what the program says: {all = whether the list begins anew, put = bans, drop = bans}.
-- Gives how many sessions it has ended.
local function apply(server, news)
  local bans, ended = server.bans, 0
  local networks = news.all and next(bans.by_address) ~= nil
  if news.all then bans.by_uid, bans.by_address = {}, {} end
  for _, ban in ipairs(news.drop or {}) do
    if ban.uid then bans.by_uid[ban.uid] = nil else bans.by_address[ban.address] = nil end
    networks = networks or ban.address ~= nil
  end
  for _, ban in ipairs(news.put or {}) do
    if ban.uid then
      bans.by_uid[ban.uid] = ban
      ended = ended + end_sessions(server, ban)
    else
      bans.by_address[ban.address] = ban
      networks = true
    end
  end
  if networks then ended = ended + set_networks(server) end
  return ended
end

---The part of a server that belongs to this file.
function banned.init(server)
  ---@class pomelua.Banned
  server.bans = {
    by_uid = {}, -- [uid as text] = pomelua.Ban
    by_address = {}, -- [network as text] = pomelua.Ban
    apply = apply, -- for ops/admin
  }
end

---The ban of a uid.
---@param server pomelua.Server
---@param uid string|number
---@return pomelua.Ban|nil
function banned.of(server, uid)
  local by_uid = server.bans.by_uid
  return next(by_uid) ~= nil and by_uid[text_of(uid)] or nil
end

---Ends the session of a banned uid: with code 403 when its handshake is not answered yet, else with
---a KICK.
---@param server pomelua.Server
---@param sid number
---@param ban pomelua.Ban
---@return string message names the ban
function banned.kick(server, sid, ban)
  server.node:refuseBanned(sid, FORBIDDEN, ban_list.body(ban))
  server.node:endBanned(sid, ban_list.reason(ban))
  local message = ("%s is banned %s"):format(ban_list.who(ban), ban_list.told(ban, server.wall()))
  server:info_line("refused a client: " .. message, "clients refused: banned")
  return message
end

---Refuses a handshake when the uid that it proves is banned.
---@param server pomelua.Server
---@param sid number
---@param uid string|number
---@return boolean refused whether the handshake is answered
function banned.refused(server, sid, uid)
  local ban = banned.of(server, uid)
  if ban then banned.kick(server, sid, ban) end
  return ban ~= nil
end

return banned
