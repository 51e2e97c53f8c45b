local sources = require "pomelua.live.sources"
local tree = require "spec.support.tree"

describe("the sources of a server", function()
  local base
  after_each(function() os.execute("rm -rf '" .. base .. "'") end)

  -- An app in which a shell command has made links and the like.
  local function make(files, command)
    base = tree.new(files)
    assert.equal(0, os.execute(("cd '%s' && %s"):format(base, command or "true")))
    return { base = base, type = "chat", live = { config = {} } }
  end

  local function read(files, command)
    local one = make(files, command)
    local texts, message = sources.read(one, {})
    if not texts then return nil, message end
    local list = {}
    for path in pairs(texts) do list[#list + 1] = path:sub(#base + 2) end
    table.sort(list)
    return list
  end

  it("are app.lua and what lies in app, but for other types' folders", function()
    assert.same({ "app.lua", "app/servers/chat/handler/a.lua", "app/util/x.lua" }, (read {
      ["app.lua"] = "", ["app/servers/chat/handler/a.lua"] = "", ["app/util/x.lua"] = "",
      ["app/servers/room/handler/b.lua"] = "", ["app/node_modules/m.lua"] = "", ["notes.lua"] = "",
    }))
  end)

  it("are read once where links lead back to their own folder", function()
    assert.same({ "app/m.lua", "app/sub/n.lua" }, (read(
      { ["app/m.lua"] = "", ["app/sub/n.lua"] = "" },
      "ln -s . app/one && ln -s ../app app/two && ln -s .. app/sub/up && ln -s ../.. app/sub/top")))
  end)

  it("are a bounded number where folders link to each other", function()
    local list = read({}, [[mkdir app && cd app && for a in 1 2 3 4 5 6 7 8 9; do mkdir d$a;
      echo 'return 1' >d$a/m.lua; for b in 1 2 3 4 5 6 7 8 9; do ln -s ../d$b d$a/l$b; done; done]])
    assert.is_true(#list >= 9 and #list <= 36, #list)
  end)

  it("are the server's own where a folder is shared by a link", function()
    local list = assert(read({ ["app/common/a.lua"] = "" },
      "mkdir -p app/servers/chat && ln -s ../../common app/servers/chat/handler"))
    assert.same({ "app/common/a.lua", "app/servers/chat/handler/a.lua" }, list)
  end)

  it("end with links that lead nowhere, and with a folder of a script's name", function()
    assert.same({ "app/a.lua" }, (read({ ["app/a.lua"] = "", ["app/b.lua/c.txt"] = "" },
      "ln -s nowhere app/c.lua && ln -s self.lua app/d.lua && ln -s d app/folder")))
  end)

  for what, row in pairs {
    ["a pipe"] = { "mkfifo app/x.lua", "app/x.lua: it is a pipe or a device, not a file" },
    ["an endless device"] = { "ln -s /dev/zero app/x.lua", "app/x.lua: it is a pipe or a device" },
    ["a file of 17 MB"] = { "truncate -s 17000000 app/x.lua",
      "app/x.lua: a file of more than 16777216 bytes" },
    ["a pipe as app.lua"] = { "mkfifo app.lua", "app.lua: it is a pipe or a device" },
    ["links that only lead to each other"] = { "ln -s y.lua app/x.lua && ln -s x.lua app/y.lua",
      "app/x.lua: Too many levels of symbolic links" },
  } do
    it("are refused with a sentence when one is " .. what, function()
      local list, message = read({ ["app/a.lua"] = "" }, row[1])
      assert.is_nil(list)
      assert.matches(row[2], message, 1, true)
    end)
  end
end)
