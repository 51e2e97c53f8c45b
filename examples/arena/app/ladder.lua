--- The ladder: the stars of all rounds.
local pomelua = require "pomelua"

local ladder = {}

local TOP = 10

--- Counts a round; a part of a transaction of the ledger.
---@param tx table
---@param entry table results = { { player =, stars =, won = }, ... }
---@return true|nil
---@return pomelua.Error|nil
function ladder.count(tx, entry)
  for _, result in ipairs(entry.results) do
    local ok, err = tx:exec([[insert into ladder (player, stars, rounds, wins)
      values ($1, $2, 1, $3)
      on conflict (player) do update set stars = ladder.stars + excluded.stars,
        rounds = ladder.rounds + 1, wins = ladder.wins + excluded.wins]],
      result.player, result.stars, result.won and 1 or 0)
    if not ok then return nil, err end
  end
  return true
end

--- The best players.
---@param app pomelua.App
---@return table[]|nil list { { player =, stars =, rounds =, wins = }, ... }
---@return pomelua.Error|nil
function ladder.top(app)
  local rows, err = app:get("databases").players:query([[select player, stars, rounds, wins
    from ladder order by stars desc, player limit $1]], TOP)
  return rows and pomelua.array(rows), err
end

return ladder
