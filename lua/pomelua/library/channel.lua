---@meta
-- For editors: channelService and the Channel, whose methods are C. Nothing loads this file.

---app:get("channelService"): the channels of this server, and the pushes, which channel/service.lua
---describes.
---@class pomelua.ChannelService: userdata
local ChannelService = {}

---The channel of that name; makes it when there is none. A channel lives in this server only.
---@param name string
---@return pomelua.Channel
function ChannelService:createChannel(name) end

---@param name string
---@param create boolean|nil whether to make it when there is none
---@return pomelua.Channel|nil
function ChannelService:getChannel(name, create) end

---@param name string
function ChannelService:destroyChannel(name) end

---A group of users; lives in the server that made it. Two handles of one channel are ==.
---@class pomelua.Channel: userdata
---@field name string
local Channel = {}

---Takes a user in. Adding a member again changes nothing.
---@param uid string|number
---@param sid string the id of the frontend that the user is connected to
---@return boolean added false when the channel is destroyed or sid is missing
function Channel:add(uid, sid) end

---@param uid string|number
---@param sid string
---@return boolean left whether it was a member
function Channel:leave(uid, sid) end

---@return (string|number)[] uids by frontend, in the order in which they joined
function Channel:getMembers() end

---@param uid string|number
---@return {uid: string|number, sid: string}|nil
function Channel:getMember(uid) end

---@return number
function Channel:getUserAmount() end

---Ends the channel. Handles that are left never touch another of the same name.
function Channel:destroy() end

---Pushes to every member. Also pushMessage(msg, opts, cb) with msg.route; opts and cb may be
---left out.
---@param route string
---@param msg any JSON
---@param opts pomelua.PushOptions|nil
---@param cb pomelua.PushDone|nil
---@overload fun(self: pomelua.Channel, route: string, msg: any, cb: pomelua.PushDone)
---@overload fun(self: pomelua.Channel, msg: table, opts?: table, cb?: pomelua.PushDone)
function Channel:pushMessage(route, msg, opts, cb) end

---The end of a push; fails: uids without a session.
---@alias pomelua.PushDone fun(err: pomelua.Error|nil, fails: (string|number)[])

---@class pomelua.PushOptions
---@field except (string|number)[]|nil the uids of users who do not get it
---@field binded boolean|nil broadcast: only sessions with a uid
---@field filterParam any broadcast: what the frontends' broadcastFilter gets
