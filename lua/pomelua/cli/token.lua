-- cli.token: `pomelua token` makes a token by a key of an app, for tests and for operators.
local app_auth = require "pomelua.cli.app_auth"
local command = require "pomelua.cli.command"
local core = require "pomelua.core"
local duration = require "pomelua.base.duration"
local json = require "pomelua.base.json"
local shared = require "pomelua.cli.shared"
local texts = require "pomelua.cli.text"
local token_keys = require "pomelua.base.token_keys"

local token = {}

local function claims_of(given)
  local claims = { sub = given.sub }
  for _, one in ipairs(given.claims or {}) do
    local key, colon, value = one:match("^([^=:]+)(:?)=(.*)$")
    if not key then
      return nil, ("--claim must be KEY=TEXT or KEY:=JSON, got %q"):format(one)
    end
    if colon ~= "" then value = json.decode(value) end
    if value == nil then return nil, ("--claim %s: no JSON behind the :="):format(one) end
    if key == "sub" or key == "exp" then
      return nil, ("--claim %s: say --%s"):format(key, key == "sub" and "sub" or "for")
    end
    claims[key] = value
  end
  return claims
end

local function check(given)
  if not given.sub then return "whom is it about? --sub UID is missing" end
  local message
  given.ttl, message = duration.seconds(given.time or "1h")
  if not given.ttl then return "--for " .. message end
  given.claims, message = claims_of(given)
  return message
end

local function main(given)
  local list, message = app_auth.all(given.base, given.env)
  if not list then return texts.fail(1, "token: " .. message) end
  local text
  text, message = token_keys.sign(app_auth.signing(list, given.kid), given.claims,
    { ttl = given.ttl, kid = given.kid }, core.time())
  if not text then return texts.fail(1, "token: " .. message) end
  io.stdout:write(text, "\n")
  return 0
end

token.command = command.new {
  name = "token", group = "make",
  summary = "makes a token by a key of the app",
  usage = "[DIR] --sub UID [options]",
  text = [[
Prints a token for a client of the app in DIR, signed by a key of connectorConfig.auth. Nothing is
started.
]],
  folder = "only", words = { "dir" }, base = true,
  options = {
    shared.DIR,
    { "--sub", value = "UID", field = "sub", text = "whom the token is about" },
    {
      "--for", value = "TIME", field = "time",
      text = "how long it is good: 90s, 30m, 1h, 7d; 1h when left out",
    },
    {
      "--claim", value = "KEY=TEXT", field = "claims", many = true,
      text = "a claim, a text; KEY:=JSON is one of another kind. As often as wanted",
    },
    {
      "--kid", value = "KID", field = "kid",
      text = "which key; when left out the first that can sign",
    },
    shared.ENV,
  },
  check = check,
  examples = {
    { "pomelua token --sub ann --for 7d --claim level:=7", "a token of ann's for a week" },
  },
  statuses = { [1] = "the app has no key that can sign, or a file of it is wrong" },
  environment = { "NODE_ENV" }, files = { "app.lua", "config/servers.json" },
  see = { "run" },
  run = main,
}

return token
