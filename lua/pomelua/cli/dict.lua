-- cli.dict: `pomelua dict` writes the numbers of an app's routes into
-- config/dictionary.lock.json, so that they stay when routes come and go.
local command = require "pomelua.cli.command"
local config = require "pomelua.config.servers"
local dictionary = require "pomelua.config.dictionary"
local shared = require "pomelua.cli.shared"
local texts = require "pomelua.cli.text"

local counted, fail = texts.counted, texts.fail

local dict = {}

-- What was found, as a line.
local function summary(found, gone)
  local parts = { counted(#found.routes, "route") .. ", " .. #found.new .. " of them new" }
  if gone > 0 then
    parts[2] = counted(gone, "number") .. " kept for routes that are gone"
  end
  return ("%s: %s\n"):format(dictionary.LOCK, table.concat(parts, "; "))
end

local function check(found)
  if not found.new[1] then return 0 end
  return fail(1, ("%s: %s without a number in it, for example %s (see: pomelua dict --help)")
    :format(dictionary.LOCK, counted(#found.new, "route"), found.new[1]))
end

local function main(given)
  local base = given.base
  local env = given.env or os.getenv("NODE_ENV")
  if not env or env == "" then env = "development" end
  local servers, message = config.servers(base, env)
  if not servers then return fail(1, message) end
  local found
  found, message = dictionary.routes(base, env, dictionary.types(servers), given.dict)
  if not found then return fail(1, message) end
  if given.check then return check(found) end
  local text, gone = dictionary.lock_text(found)
  local ok
  ok, message = dictionary.write_lock(base, text)
  if not ok then return fail(1, message) end
  io.stdout:write(summary(found, gone))
  return 0
end

dict.command = command.new {
  name = "dict", group = "make",
  summary = "writes the numbers of routes, config/dictionary.lock.json",
  usage = "[DIR] [options]",
  text = [[
Writes DIR/config/dictionary.lock.json: the number of each route in the route dictionary
(connectorConfig.useDict). Numbers that are in it stay, new routes get new ones, those of routes
that are gone stay reserved. Nothing is started.
]],
  folder = "only", words = { "dir" }, base = true,
  options = {
    shared.DIR, shared.ENV,
    {
      "--dict", value = "FILE", field = "dict", kind = "file",
      text = "the file of dictionaryConfig.dict, when app.lua sets it",
    },
    {
      "--check", field = "check",
      text = "writes nothing; exit status 1 when a route has no number in the file",
    },
  },
  examples = {
    { "pomelua dict", "gives numbers to the new routes of the app in this folder" },
    { "pomelua dict game --check", "says whether a route of the app in the folder game has none" },
  },
  statuses = {
    [1] = "a file of the app is wrong or could not be written; with --check: a route has no number",
  },
  environment = { "NODE_ENV" },
  files = { "config/servers.json", "config/dictionary.lock.json", "app/servers/" },
  see = { "check" },
  run = main,
}

return dict
