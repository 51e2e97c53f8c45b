-- A channel store in memory, which has the lobby of the last time.
local lists = {
  ["whole:chat-1"] = { "whole:chat-1:lobby" },
  ["whole:chat-1:lobby"] = { "connector-1:zoe" },
}
local store = { lists = lists }

function store.add(key, value, cb)
  lists[key] = lists[key] or {}
  table.insert(lists[key], value)
  cb(nil)
end

function store.remove(key, value, cb)
  for i, one in ipairs(lists[key] or {}) do
    if one == value then
      table.remove(lists[key], i)
      break
    end
  end
  cb(nil)
end

function store.load(key, cb) cb(nil, lists[key]) end

function store.removeAll(key, cb)
  lists[key] = nil
  cb(nil)
end

return store
