--- Accounts: a name belongs to whoever first came with it, and to the password of that day.
local pomelua = require "pomelua"
local gems = require "app.gems"
local password = require "pomelua.password"
local rules = require "app.rules"

local accounts = {}

local function players(app) return app:get("databases").players end

-- Makes an account, with the gems that a new player gets; both or none. Gives 0 when the name has
-- just been taken.
local function create(app, name, hash)
  return players(app):transaction(function(tx)
    local made, err = tx:exec([[insert into players (name, password, since)
      values ($1, $2, $3) on conflict (name) do nothing]], name, hash, os.time())
    if made ~= 1 then return made, err end
    for _, kind in ipairs(rules.welcome) do
      local ok
      ok, err = gems.give(tx, { id = pomelua.uuid(), gem = kind, owner = name })
      if not ok then return nil, err end
    end
    return made
  end)
end

--- Lets somebody in by name and password; a new name gets an account. It waits for the database,
--- and for the hash, which takes its time on purpose.
---@param app pomelua.App
---@param name string
---@param word string the password
---@return boolean|nil ok nil when the database does not answer
---@return string|pomelua.Error message why not
function accounts.enter(app, name, word)
  local rows, err = players(app):query("select password from players where name = $1", name)
  if not rows then return nil, err end
  if not rows[1] then
    local hash
    hash, err = password.hash(word)
    if not hash then return nil, err end
    local made
    made, err = create(app, name, hash)
    if not made then return nil, err end
    if made == 1 then return true end
    -- Somebody else has just taken the name.
    return accounts.enter(app, name, word)
  end
  local right
  right, err = password.verify(word, rows[1].password)
  if right == nil then return nil, err end
  return right, "The name is taken, and this is not its password."
end

return accounts
