-- test.channels: the members of cluster channels at the frontends that a backend in a spec speaks
-- to (test.frontends): what core/node/cluster_members is for a real one.
local uid_text = require("pomelua.base.text").of

local channels = {}

-- The ids of the sessions that join or leave: the one, those of the uid, or, without both, all.
local function sids_of(node, uid, sid)
  if sid == nil and uid == nil then
    local all = {}
    for one in pairs(node.by_sid) do all[#all + 1] = one end
    return all
  end
  if sid == nil then return node:sidsOf(uid) end
  local one = node.by_sid[sid]
  local is_his = one and one.uid ~= nil and uid_text(one.uid) == uid_text(uid)
  return is_his and { sid } or {}
end

local function place_of(list, sid)
  for i = 1, list and #list or 0 do
    if list[i] == sid then return i end
  end
end

---node:clusterJoin
function channels.join(node, name, uid, sid)
  local sids, joined = sids_of(node, uid, sid), 0
  if #sids == 0 then
    return nil, sid and "there is no such session, or its uid is another"
      or "no session of this uid is here", "NOENT"
  end
  local list = node.channels[name] or {}
  node.channels[name] = list
  for _, one in ipairs(sids) do
    if not place_of(list, one) then
      list[#list + 1] = one
      joined = joined + 1
    end
  end
  return joined
end

local function take_out(node, name, sid)
  local list = node.channels[name]
  local at = place_of(list, sid)
  if not at then return 0 end
  table.remove(list, at)
  if #list == 0 then node.channels[name] = nil end
  return 1
end

---node:clusterLeave
function channels.leave(node, name, uid, sid)
  local left = 0
  for _, one in ipairs(sids_of(node, uid, sid)) do left = left + take_out(node, name, one) end
  return left
end

---A session has ended, or has lost its uid.
function channels.forget(node, sid)
  local names = {}
  for name in pairs(node.channels) do names[#names + 1] = name end
  for _, name in ipairs(names) do take_out(node, name, sid) end
end

---node:clusterMembers
function channels.members(node, name)
  local uids, seen = {}, {}
  for _, sid in ipairs(node.channels[name] or {}) do
    local uid = node.by_sid[sid].uid
    if not seen[uid_text(uid)] then uids[#uids + 1] = uid end
    seen[uid_text(uid)] = true
  end
  return uids
end

---node:clusterCount
function channels.count(node, name) return #channels.members(node, name) end

---node:clusterMember
function channels.member(node, name, uid)
  for _, one in ipairs(channels.members(node, name)) do
    if uid_text(one) == uid_text(uid) then return one end
  end
end

return channels
