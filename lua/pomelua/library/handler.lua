---@meta
-- For editors: what a game's own files are made of. Nothing loads this file.

---How a handler answers, once: next(err, response).
---@alias pomelua.Next fun(err: any, response: any)

---A method of a handler: it answers by next, or by returning (response) or (nil, err).
---@alias pomelua.HandlerMethod fun(self, msg, session: pomelua.Session, next: pomelua.Next): ...

---What a file in app/servers/<type>/handler or remote returns: a table of methods, or a
---function that makes one.
---@alias pomelua.Module table<string, function>|fun(app: pomelua.App): table<string, function>

---An entry of config/servers.json.
---@class pomelua.ServerInfo
---@field id string
---@field serverType string
---@field host string|nil
---@field port number|nil
---@field clientHost string|nil
---@field clientPort number|nil
---@field frontend boolean|nil
