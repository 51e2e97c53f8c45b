--- The ledger: what the game has to write into the database, in order, each entry exactly once.
---
--- An entry waits here until the database has it. What waits is this file's state, and outlives the
--- process; the entry's id is written in the same transaction as what the entry does. So an entry
--- whose answer was lost, by a timeout or by the end of the process, is asked for again and
--- does nothing the second time.
local pomelua = require "pomelua"
local gems = require "app.gems"
local ladder = require "app.ladder"

local ledger = {}

local state = pomelua.state()
state.__keep = true
state.waiting = state.waiting or {}

local writing = false

-- What each kind of entry does: fn(tx, entry) -> true | nil, err
local write = { gem = gems.give, round = ladder.count }

local function write_one(db, entry)
  return db:transaction(function(tx)
    local new, err = tx:exec([[insert into entries (id, at) values ($1, $2)
      on conflict (id) do nothing]], entry.id, entry.at)
    if not new then return nil, err end
    if new == 0 then return true end
    return write[entry.kind](tx, entry)
  end)
end

-- Whether the database will always refuse: SQLSTATE class 23, a rule of a table.
local function never(err)
  return err.sqlstate ~= nil and err.sqlstate:sub(1, 2) == "23"
end

-- Writes the oldest entry. Whether to go on.
local function write_next(app)
  local entry = state.waiting[1]
  local ok, err = write_one(app:get("databases").players, entry)
  if not ok and not never(err) then
    pomelua.log.warn("%d entries wait for the database: %s", #state.waiting, tostring(err))
    return false
  elseif not ok then
    pomelua.log.error("this entry can never be written: %s: %j", tostring(err), entry)
  end
  -- After a reload two loops may be at work.
  if state.waiting[1] == entry then table.remove(state.waiting, 1) end
  if ok and entry.kind == "gem" then gems.tell(app, entry.owner) end
  return true
end

--- Writes what waits, until all of it is written or the database fails.
---@param app pomelua.App
function ledger.write(app)
  if writing then return end
  writing = true
  local ok, err
  repeat
    ok, err = pcall(function() return state.waiting[1] and write_next(app) end)
  until not (ok and err)
  writing = false
  if not ok then error(err, 0) end
end

--- Adds an entry that has its id. It is written soon, in a task of its own: the game does not wait.
---@param app pomelua.App
---@param entry table id =, at =, and as ledger.add
function ledger.again(app, entry)
  state.waiting[#state.waiting + 1] = entry
  app:setTimeout(0, function() ledger.write(app) end)
end

--- Adds an entry.
---@param app pomelua.App
---@param entry table kind = "gem", gem =, owner =; kind = "round", results =
function ledger.add(app, entry)
  entry.id, entry.at = pomelua.uuid(), os.time()
  ledger.again(app, entry)
end

--- Forgets the ids of what was written more than a week ago: nobody asks for it again.
---@param app pomelua.App
function ledger.tidy(app)
  local gone, err = app:get("databases").players:exec("delete from entries where at < $1",
    os.time() - 7 * 86400)
  if not gone then pomelua.log.warn("old entries stay: %s", tostring(err)) end
end

--- How many entries wait.
---@return integer
function ledger.waiting() return #state.waiting end

return ledger
