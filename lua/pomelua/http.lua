-- http: the name by which a game requires store/http: requests to other services.
local http = require "pomelua.store.http"

return { request = http.request }
