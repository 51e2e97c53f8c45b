-- current: what runs now in this Lua state. A state of the server program holds
-- one server; the test kit puts several into one, so nothing else may assume it.
--   server  whose entry C has called, nil between entries
--   task    the coroutine that runs, nil outside of one
--   only    the server of this state, false when there are several
return { server = nil, task = nil, only = nil }
