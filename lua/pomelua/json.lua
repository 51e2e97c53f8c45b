-- json: the name by which scripts, specs and tools require the JSON of base/json.
return require "pomelua.base.json"
