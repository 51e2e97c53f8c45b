--- Requests to area.tradeHandler.<method>: what players own, and what they exchange.
local pomelua = require "pomelua"
local arena = require "app.arena"
local gems = require "app.gems"
local rules = require "app.rules"

local SORRY = { code = 503, message = "The bank is closed for a moment." }

-- The answer when the database has failed.
local function sorry(err)
  pomelua.log.warn("trade: %s", tostring(err))
  return SORRY
end

---@param app pomelua.App
---@param state table
return function(app, state)
  local Handler = {}
  state.offers = state.offers or {} -- [id] = { from, to, give, take, at }; lost with the process

  local function push(route, uid, msg)
    local channel = app:get("channelService"):getChannel("arena", true)
    local member = channel:getMember(uid)
    if member then app:get("channelService"):pushMessageByUids(route, msg, { member }) end
  end

  --- What the player owns: { code, bag = { ruby, topaz, emerald, sapphire } }.
  function Handler:bag(_, session)
    local bag, err = gems.bag(app, session.uid)
    return bag and { code = 200, bag = bag } or sorry(err)
  end

  -- An offer is forgotten after a while, so that nobody has to remember it.
  local function forget()
    for id, offer in pairs(state.offers) do
      if os.time() - offer.at >= rules.trade then state.offers[id] = nil end
    end
  end

  --- Offers a gem for another one: { to, give, take } -> { code, id }. The other player gets the
  --- push onOffer { id, from, give, take }.
  function Handler:offer(msg, session)
    if not gems.is_kind(msg.give) or not gems.is_kind(msg.take) or msg.give == msg.take then
      return { code = 400, message = "A trade is one kind of gem for another." }
    elseif msg.to == session.uid or not arena.ship_of(msg.to) then
      return { code = 404, message = "This player is not here." }
    end
    forget()
    local id = pomelua.uuid()
    state.offers[id] = {
      from = session.uid, to = msg.to, give = msg.give, take = msg.take, at = os.time(),
    }
    push("onOffer", msg.to, { id = id, from = session.uid, give = msg.give, take = msg.take })
    return { code = 200, id = id }
  end

  --- Answers an offer: { id, yes } -> { code }. Both players get the push onTrade { from, to, give,
  --- take, done }, and onBag when the trade is done.
  function Handler:answer(msg, session)
    local offer = type(msg.id) == "string" and state.offers[msg.id]
    if not offer or offer.to ~= session.uid or os.time() - offer.at >= rules.trade then
      return { code = 404, message = "The offer has ended." }
    end
    state.offers[msg.id] = nil -- before anything waits: an offer is answered once
    local ok, err = false, nil
    if msg.yes then ok, err = gems.trade(app, offer) end
    local told = {
      from = offer.from, to = offer.to, give = offer.give, take = offer.take,
      done = ok and true or false,
    }
    for _, uid in ipairs { offer.from, offer.to } do
      push("onTrade", uid, told)
      if msg.yes then gems.tell(app, uid) end
    end
    if ok or not msg.yes then return { code = 200 } end
    if err.code then return sorry(err) end -- the bag says whether it was done
    return { code = 409, message = tostring(err) }
  end

  return Handler
end
