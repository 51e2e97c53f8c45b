---@meta
-- For editors: channelService and the Channel, whose methods are C. Nothing loads this file.

---app:get("channelService"): the channels of this server, and the pushes to users and to everyone.
---@class pomelua.ChannelService: userdata
local ChannelService = {}

---The channel of that name; makes it when there is none. A channel lives in this server only,
---unless opts.scope is "cluster": then it is one for all servers, and always there.
---@param name string
---@param opts pomelua.ChannelOptions|nil
---@return pomelua.Channel|pomelua.ClusterChannel
function ChannelService:createChannel(name, opts) end

---@param name string
---@param create boolean|nil whether to make it when there is none
---@param opts pomelua.ChannelOptions|nil
---@return pomelua.Channel|pomelua.ClusterChannel|nil
function ChannelService:getChannel(name, create, opts) end

---@class pomelua.ChannelOptions
---@field scope "local"|"cluster"|nil "local" when left out

---@param name string
function ChannelService:destroyChannel(name) end

---The channels that a user is a member of, in no order. The first call makes an index of all
---members of this server.
---@param uid string|number
---@return string[] names
function ChannelService:channelsOf(uid) end

---@return string[] names of all channels of this server, in the order in which they were made
function ChannelService:getChannelNames() end

---A user leaves all channels of this server, behind every frontend.
---@param uid string|number
---@return number left how many memberships have ended
function ChannelService:leaveAll(uid) end

---Pushes to some users. Also pushMessageByUids(msg, uids, opts, cb) with msg.route; opts and cb may
---be left out. Entries without uid or sid are left out, with a line in the log. Errors:
---"uids should not be empty", "all uids push message fail", "can not send empty message."
---@param route string
---@param msg any JSON
---@param uids {uid: string|number, sid: string}[] sid: the id of the frontend
---@param opts pomelua.PushOptions|nil
---@param cb pomelua.PushDone|nil
---@overload fun(self: pomelua.ChannelService, route: string, msg: any, uids: table[], cb: any)
---@overload fun(self: pomelua.ChannelService, msg: table, uids: table[], opts: any, cb: any)
function ChannelService:pushMessageByUids(route, msg, uids, opts, cb) end

---Pushes to everyone on the frontends of a type. Also broadcast(stype, msg, opts, cb) with
---msg.route; opts and cb may be left out. The frontends' channelConfig.broadcastFilter is asked.
---Errors: "broadcast fails", "can not send empty message."
---@param stype string a type of frontends
---@param route string
---@param msg any JSON
---@param opts pomelua.PushOptions|nil
---@param cb pomelua.PushDone|nil
---@overload fun(self: pomelua.ChannelService, stype: string, route: string, msg: any, cb: any)
---@overload fun(self: pomelua.ChannelService, stype: string, msg: table, opts: any, cb: any)
function ChannelService:broadcast(stype, route, msg, opts, cb) end

---A group of users; lives in the server that made it. Two handles of one channel are ==.
---@class pomelua.Channel: userdata
---@field name string
local Channel = {}

---Takes a user in. Adding a member again changes nothing.
---@param uid string|number
---@param sid string the id of the frontend that the user is connected to
---@return boolean added false when the channel is destroyed or sid is missing
---@overload fun(self: pomelua.Channel, session: pomelua.Session): boolean leaves with that session
function Channel:add(uid, sid) end

---@param uid string|number
---@param sid string
---@return boolean left whether it was a member
---@overload fun(self: pomelua.Channel, session: pomelua.Session): boolean
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
---left out. Errors: "channel is not running now", "all uids push message fail", "can not send empty
---message."
---@param route string
---@param msg any JSON
---@param opts pomelua.PushOptions|nil
---@param cb pomelua.PushDone|nil
---@overload fun(self: pomelua.Channel, route: string, msg: any, cb: pomelua.PushDone)
---@overload fun(self: pomelua.Channel, msg: table, opts?: table, cb?: pomelua.PushDone)
function Channel:pushMessage(route, msg, opts, cb) end

---A channel that is one for all servers: each frontend keeps the members that are its own sessions,
---and a member leaves with its session. Its methods ask frontends; without a callback they wait,
---and return nil, err when one of them does not answer in time.
---@class pomelua.ClusterChannel: userdata
---@field name string
---@field scope "cluster"
local ClusterChannel = {}

---All sessions of a user on that frontend join. Adding a member again changes nothing.
---@param uid string|number
---@param sid string the id of the frontend
---@param cb nil|fun(err: pomelua.Error|nil, ok: true|nil)
---@return true|nil ok nothing with a callback
---@return pomelua.Error|nil err "NOENT": there is no such session, or the frontend is not there;
---"FULL", "TOOBIG": a limit of channelConfig (clusterChannels, clusterPerSession)
---@overload fun(self: pomelua.ClusterChannel, session: pomelua.Session, cb?: function): true|nil
function ClusterChannel:add(uid, sid, cb) end

---@param uid string|number
---@param sid string
---@param cb nil|fun(err: pomelua.Error|nil, was: boolean|nil)
---@return boolean|nil was whether it was a member; nothing with a callback
---@return pomelua.Error|nil err
---@overload fun(self: pomelua.ClusterChannel, session: pomelua.Session, cb?: function): boolean
function ClusterChannel:leave(uid, sid, cb) end

---@param cb nil|fun(err: pomelua.Error|nil, uids: (string|number)[]|nil)
---@return (string|number)[]|nil uids in no order, a user once for each of his frontends
---@return pomelua.Error|nil err
function ClusterChannel:getMembers(cb) end

---@param uid string|number
---@param cb nil|fun(err: pomelua.Error|nil, member: {uid: string|number, sid: string}|nil)
---@return {uid: string|number, sid: string}|nil member of one of his frontends; nil: he is none
---@return pomelua.Error|nil err
function ClusterChannel:getMember(uid, cb) end

---@param cb nil|fun(err: pomelua.Error|nil, n: number|nil)
---@return number|nil n as many as getMembers has
---@return pomelua.Error|nil err
function ClusterChannel:getUserAmount(cb) end

---All members leave, at all frontends. The channel may be used again.
---@param cb nil|fun(err: pomelua.Error|nil, ok: true|nil)
---@return true|nil ok
---@return pomelua.Error|nil err
function ClusterChannel:destroy(cb) end

---Pushes to every member, once each, and waits for nobody. Options and overloads as those of
---pomelua.Channel. The callback's fails is always empty; err: a frontend has not acknowledged.
---@param route string
---@param msg any JSON
---@param opts pomelua.PushOptions|nil
---@param cb pomelua.PushDone|nil
---@overload fun(self: pomelua.ClusterChannel, route: string, msg: any, cb: pomelua.PushDone)
---@overload fun(self: pomelua.ClusterChannel, msg: table, opts?: table, cb?: pomelua.PushDone)
function ClusterChannel:pushMessage(route, msg, opts, cb) end

---The end of a push; fails: uids without a session.
---@alias pomelua.PushDone fun(err: pomelua.Error|nil, fails: (string|number)[])

---@class pomelua.PushOptions
---@field except (string|number)[]|nil the uids of users who do not get it
---@field binded boolean|nil broadcast: only sessions with a uid
---@field delivery "reliable"|"latest"|"drop"|nil for a client that is behind: reliable (default)
---queues the push; latest takes the push of the same route and key out that still waits; drop does
---not queue it
---@field key string|number|nil latest: which pushes of the route replace each other; nil: all
---@field filterParam any broadcast: what the frontends' broadcastFilter gets
