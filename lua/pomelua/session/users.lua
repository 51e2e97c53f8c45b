-- users: a user on all frontends: where the sessions of a uid are, and their end. Every frontend
-- that is there is asked at the same time, and one that does not answer holds nobody up for longer
-- than sessionConfig.frontendTimeout: it is named beside the result.
local errors = require "pomelua.base.errors"
local text_of = require("pomelua.base.text").of

local users = {}

---The part of a server that belongs to this file.
function users.init(server)
  ---@class pomelua.Users
  server.users = {
    counts = { -- for server:counters
      frontendsSilent = 0, -- answers of frontends that did not come
    },
  }
end

---The frontends that are there.
---@param server pomelua.Server
---@return string[] ids in alphabetic order
function users.frontends(server)
  local ids = {}
  for id, entry in pairs(server.by_id) do
    if entry.frontend and server.node:alive(id) then ids[#ids + 1] = id end
  end
  table.sort(ids)
  return ids
end

-- A frontend has not answered, or has answered with an error of its own.
local function silent(server, id, what, uid, err)
  local counts = server.users.counts
  counts.frontendsSilent = counts.frontendsSilent + 1
  server:warn(("%s: the frontend %s was asked about %s and did not answer: %s"):format(what, id,
    text_of(uid), errors.text(err)), "frontends that do not answer")
end

-- Asks all frontends. done(answers, names): what each has answered, by id, and the ids of those
-- that have not.
local function ask(server, what, method, done, n, uid, value)
  local ids, answers, names = users.frontends(server), {}, {}
  local open = #ids + 1
  local function finish()
    open = open - 1
    if open > 0 then return end
    table.sort(names)
    done(answers, names)
  end
  for i = 1, #ids do
    local id = ids[i]
    server.rpc.within(id, method, server.checked.frontend_ms, function(err, answer)
      if err then
        names[#names + 1] = id
        silent(server, id, what, uid, err)
      else
        answers[id] = answer
      end
      finish()
    end, n, uid, value)
  end
  finish()
end

---Ends all sessions of a uid.
---@param server pomelua.Server
---@param uid string|number
---@param reason string that the clients are told
---@param done fun(err: nil, ended: number, silent: string[])
function users.kick(server, uid, reason, done)
  ask(server, "app:kick", "kickByUid", function(answers, names)
    local ended = 0
    for _, n in pairs(answers) do ended = ended + (tonumber(n) or 0) end
    done(nil, ended, names)
  end, 2, uid, reason)
end

---@class pomelua.UserPlace
---@field frontendId string
---@field frontendType string its server type
---@field incarnation number which life of that frontend: backendSessionService:create takes it
---@field sids number[] its sessions of the uid, the latest bind last
---@field boundAt number of the latest bind, seconds since 1970

local function later(a, b)
  if a.boundAt ~= b.boundAt then return a.boundAt > b.boundAt end
  return a.frontendId < b.frontendId
end

---Finds all sessions of a uid.
---@param server pomelua.Server
---@param uid string|number
---@param done fun(err: nil, places: pomelua.UserPlace[], silent: string[])
function users.locate(server, uid, done)
  ask(server, "app:locate", "locate", function(answers, names)
    local places = {}
    for id, found in pairs(answers) do
      if type(found) == "table" then
        local entry = server.by_id[id] or {}
        places[#places + 1] = {
          frontendId = id, frontendType = entry.serverType,
          incarnation = server.node:incarnation(id),
          sids = found.sids, boundAt = tonumber(found.boundAt) or 0,
        }
      end
    end
    table.sort(places, later)
    done(nil, places, names)
  end, 1, uid)
end

---A frontend's answer to locate.
---@param server pomelua.Server
---@param uid string|number
---@return table|nil found {sids=, boundAt=}; nil: nobody of that uid is here
function users.here(server, uid)
  local node = server.node
  local sids, at = node:sidsOf(uid), 0
  if #sids == 0 then return nil end
  for i = 1, #sids do at = math.max(at, node:boundAt(sids[i]) or 0) end
  return { sids = sids, boundAt = at }
end

return users
