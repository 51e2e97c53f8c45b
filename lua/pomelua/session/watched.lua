-- watched: sessions of this frontend whose end other servers want to hear of, because users are in
-- their channels (channel/presence). A server asks once for each session, or for each uid, and is
-- told once: when the session has ended, or has lost its uid, or the last session of the uid has. A
-- session that has ended before the question is told in its answer, so that no end is missed.
local text_of = require("pomelua.base.text").of

local watched = {}

---The part of a server that belongs to this file.
function watched.init(server)
  ---@class pomelua.Watched
  server.watched = {
    by_sid = {}, -- [session id] = questions
    by_uid = {}, -- [uid as text] = questions
    tell = nil, -- fun(server, from, number): set by channel/presence, and by the test kit
  }
end

-- The ids of the sessions that a question is about.
local function sids_of(server, uid, sid)
  if sid == nil then return server.node:sidsOf(uid) end
  local bound, _, found = server.node:session(sid)
  return found and bound ~= nil and text_of(bound) == text_of(uid) and { sid } or {}
end

---A server wants to hear of an end.
---@param from string id of the server
---@param number number with which it is told
---@param uid string|number
---@param sid number|nil nil: the last session of the uid
---@return boolean there false when there is no such session: it is not told again
function watched.add(server, from, number, uid, sid)
  local sids = sids_of(server, uid, sid)
  if #sids == 0 then return false end
  local all = sid and server.watched.by_sid or server.watched.by_uid
  local key = sid or text_of(uid)
  local list = all[key] or {}
  all[key] = list
  list[#list + 1] = { from = from, number = number }
  for i = 1, #sids do server.node:watchClosed(sids[i]) end
  return true
end

local function tell(server, list)
  for i = 1, #list do server.watched.tell(server, list[i].from, list[i].number) end
end

---A session has ended, or has lost its uid.
---@param uid string|number|nil that it had
function watched.ended(server, sid, uid)
  local by_sid, by_uid = server.watched.by_sid, server.watched.by_uid
  local list = by_sid[sid]
  by_sid[sid] = nil
  if list then tell(server, list) end
  list = uid ~= nil and by_uid[text_of(uid)]
  if not list then return end
  local rest = server.node:sidsOf(uid)
  for i = 1, #rest do server.node:watchClosed(rest[i]) end
  if #rest > 0 then return end
  by_uid[text_of(uid)] = nil
  tell(server, list)
end

---A server is gone, or is another one: it has no questions.
---@param id string
---@return boolean had whether it had any
function watched.gone(server, id)
  local had = false
  for _, all in pairs { server.watched.by_sid, server.watched.by_uid } do
    for key, list in pairs(all) do
      local rest = {}
      for i = 1, #list do
        if list[i].from ~= id then rest[#rest + 1] = list[i] end
      end
      had = had or #rest < #list
      all[key] = #rest > 0 and rest or nil
    end
  end
  return had
end

---Those of a list of uids who have no session here.
---@param uids (string|number)[]
---@return (string|number)[]
function watched.absent(server, uids)
  local list = {}
  for i = 1, #uids do
    if #server.node:sidsOf(uids[i]) == 0 then list[#list + 1] = uids[i] end
  end
  return list
end

return watched
