-- cli.shared: options, exit statuses and variables that several commands have alike.
local shared = {}

---The app's folder.
shared.DIR = {
  "-d", "--directory", value = "DIR", field = "dir", kind = "dir",
  text = "the app's folder; the current one when left out",
}
shared.ENV = {
  "--env", value = "NAME", field = "env", kind = "env",
  text = "the environment of the config files; when left out that of NODE_ENV, or development",
}
shared.STATE = {
  "--state", value = "DIR", field = "state", kind = "dir",
  text = "where the program writes, when it was started with that; STATE_DIRECTORY and "
    .. "RUNTIME_DIRECTORY mean the same as for the program",
}
---Where the files of SQLite lie.
shared.DATA = {
  "--state", value = "DIR", field = "state", kind = "dir",
  text = "where the files of SQLite lie, when the program is started with that",
}
shared.HELP = { "-h", "--help", field = "help", text = "this text" }
shared.JSON = {
  "--json", field = "json", text = "the answers as they came, one JSON object per line",
}

---The options of all commands that ask a program.
shared.ASK = {
  {
    "-d", "--directory", value = "DIR", field = "dir", kind = "dir",
    text = "the app's folder, the current one when left out; DIR alone is the same: a word with a "
      .. "slash, or the name of a folder with an app in it",
  },
  { "--pid", value = "PID", field = "pid", text = "which program, when several run there" },
  shared.STATE,
  {
    "--bus", value = "URL", field = "bus",
    text = "asks the programs of a cluster over their bus, from any machine; when left out that of "
      .. "config/bus.json, if no program runs in DIR",
  },
  {
    "--cluster", value = "NAME", field = "cluster",
    text = "which cluster; when left out that of the app in DIR",
  },
  {
    "--env", value = "NAME", field = "env", kind = "env",
    text = "the environment of config/bus.json; when left out that of NODE_ENV, or development",
  },
  shared.JSON,
}

---The exit status 1 of a command that asks a program.
shared.ASK_FAILED = "no program runs in the folder, the command failed for at least one server, or "
  .. "the program ended before it had answered"

---The variables of a command that asks a program.
shared.ASK_ENVIRONMENT = { "NODE_ENV", "STATE_DIRECTORY", "RUNTIME_DIRECTORY" }
shared.ASK_FILES = { ".pomelua/", "config/bus.json" }

---@param ... table[] lists of options
---@return table[] options one list
function shared.join(...)
  local all = {}
  for _, list in ipairs { ... } do
    for _, row in ipairs(list) do all[#all + 1] = row end
  end
  return all
end

return shared
