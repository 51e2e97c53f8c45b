-- pomelo_settings: groups of settings that Pomelo has and Pomelua has not, and why.
local pomelo_settings = {}

-- Of the master's console.
local CONSOLE = "Pomelua has no master: who may write to the program's control socket, which is a "
  .. "file, is its operator"

---Why no part of what carries messages between servers can be set.
pomelo_settings.TRANSPORT = "Pomelua's servers have one transport, which cannot be exchanged"

---What writes a log of calls.
pomelo_settings.RPC_LOG = "app:rpcFilter(pomelua.rpcLog()) writes a log of calls"

---The settings that are functions, beside the groups.
pomelo_settings.HANDLERS = { "errorHandler", "globalErrorHandler", "rpcErrorHandler" }

-- Settings of Pomelo's that change nothing here: a line of the log says so.
pomelo_settings.absent = {
  systemMonitor = "Pomelua has no monitor; see pomelua list --json",
  rpcDebugLog = pomelo_settings.RPC_LOG,
  filters = "say app:filter(f) for each filter",
  globalFilters = "say app:globalFilter(f) for each filter",
  pushScheduler = "pushSchedulerConfig is the group of settings",
  masterConfig = "Pomelua has no master", monitorConfig = "Pomelua has no monitor",
  connectionConfig = "nothing is to be set there: connections are counted in any case, see "
    .. "pomelua list",
  cronConfig = "crons have no settings; see docs/crons.md",
  backendSessionConfig = "nothing is to be set there",
  localSessionConfig = "nothing is to be set there",
  adminAuthUser = CONSOLE, adminAuthServerMaster = CONSOLE, adminAuthServerMonitor = CONSOLE,
  ssh_config_params = "pomelua start runs on one machine",
  rpcFilters = "say app:rpcFilter(f) for each filter",
}

-- Those without which the game would behave differently.
pomelo_settings.declined = {
  decodeIO_protobufConfig = "Pomelua has one kind of protobuf: connectorConfig.useProtobuf with "
    .. "config/serverProtos.json and config/clientProtos.json",
  rpcServer = pomelo_settings.TRANSPORT, rpcClient = pomelo_settings.TRANSPORT,
}

return pomelo_settings
