-- cli.check: `pomelua check` looks for faults in all files of an app and starts nothing.
local command = require "pomelua.cli.command"
local files = require "pomelua.base.files"
local later = require "pomelua.base.later"
local shared = require "pomelua.cli.shared"
local texts = require "pomelua.cli.text"

local checks = later "pomelua.cli.checks"
local counted = texts.counted

local check = {}

local function main(given)
  if not files.exists(given.base .. "/app.lua") then
    return texts.fail(1, "check: there is no app.lua in " .. given.dir)
  end
  local report = checks.run(given.base, given.env, given.state)
  for _, text in ipairs(report.warnings) do io.stdout:write("warning: ", text, "\n") end
  for _, text in ipairs(report.faults) do io.stdout:write(text, "\n") end
  io.stdout:write(("%s, %s in %s\n"):format(counted(#report.faults, "fault"),
    counted(#report.warnings, "warning"), counted(report.files, "file")))
  return #report.faults > 0 and 1 or 0
end

check.command = command.new {
  name = "check", group = "make",
  summary = "looks for faults in the files of a game",
  usage = "[DIR] [options]",
  text = [[
Looks for faults in the files of the app in DIR: config/*.json, the syntax of every script, the
settings of app.lua, the routes of handlers, and more. Nothing is started. Every fault is a line
with file and line. Warnings do not change the exit status.
]],
  folder = "only", words = { "dir" }, base = true,
  options = {
    shared.DIR,
    {
      "--env", value = "NAME", field = "env", kind = "env",
      text = "only this environment of the config files; when left out every one that they have",
    },
    {
      "--state", value = "DIR", field = "state", kind = "dir",
      text = "where the program writes, for its file of bans",
    },
  },
  examples = {
    { "pomelua check game", "looks at the app in the folder game" },
    { "pomelua check && pomelua reload", "reloads what is without faults" },
  },
  statuses = { [0] = "there is no fault", [1] = "there is a fault, or no app in the folder" },
  environment = { "STATE_DIRECTORY" },
  files = { "app.lua", "app/servers/", "app/migrations/", "config/servers.json", "config/web.json",
    "config/bus.json", "config/databases.json", "config/log.json", "config/dictionary.lock.json",
    ".pomelua/" },
  see = { "start", "test" },
  run = main,
}

return check
