--- Gems: what players find in golden stars, own, and trade. Each gem is one row with one owner, so
--- that a trade can neither lose nor double it.
local gems = {}

gems.KINDS = { "ruby", "topaz", "emerald", "sapphire" }

local known = {}
for _, kind in ipairs(gems.KINDS) do known[kind] = true end

---@param kind any
---@return boolean
function gems.is_kind(kind) return known[kind] == true end

--- The kind of the next gem.
---@return string
function gems.any() return gems.KINDS[math.random(#gems.KINDS)] end

--- A player has found a gem; a part of a transaction of the ledger.
---@param tx table
---@param entry table id =, gem =, owner =
---@return true|nil
---@return pomelua.Error|nil
function gems.give(tx, entry)
  local made, err = tx:exec("insert into gems (id, kind, owner) values ($1, $2, $3)", entry.id,
    entry.gem, entry.owner)
  return made and true, err
end

--- What a player owns.
---@param app pomelua.App
---@param owner string
---@return table|nil bag how many of each kind
---@return pomelua.Error|nil
function gems.bag(app, owner)
  local rows, err = app:get("databases").players:query([[select kind, count(*) as number from gems
    where owner = $1 group by kind]], owner)
  if not rows then return nil, err end
  local bag = {}
  for _, kind in ipairs(gems.KINDS) do bag[kind] = 0 end
  for _, row in ipairs(rows) do bag[row.kind] = row.number end
  return bag
end

--- Tells a player, if the player is there, that what it owns has changed.
---@param app pomelua.App
---@param owner string
function gems.tell(app, owner)
  local service = app:get("channelService")
  local channel = service:getChannel("arena", false)
  local member = channel and channel:getMember(owner)
  local bag = member and gems.bag(app, owner)
  if bag then service:pushMessageByUids("onBag", { bag = bag }, { member }) end
end

-- One gem of a kind goes from one player to another.
local function move(tx, from, to, kind)
  local moved, err = tx:exec([[update gems set owner = $2 where owner = $1 and id =
    (select id from gems where owner = $1 and kind = $3 order by id limit 1)]], from, to, kind)
  if not moved then return nil, err end
  if moved == 0 then return nil, ("%s has no %s any more."):format(from, kind) end
  return true
end

--- Two players exchange a gem each. Both gems go, or none.
---@param app pomelua.App
---@param trade table from =, to =, give =, take =: the player from gives give and takes take
---@return true|nil
---@return pomelua.Error|nil
function gems.trade(app, trade)
  return app:get("databases").players:transaction(function(tx)
    local ok, err = move(tx, trade.from, trade.to, trade.give)
    if not ok then return nil, err end
    return move(tx, trade.to, trade.from, trade.take)
  end)
end

return gems
