class Remote {
  constructor(app) {
    this.channels = app.get("channelService");
  }

  add(uid, sid, name, cb) {
    this.channels.getChannel(name, true).add(uid, sid);
    cb();
  }

  leave(uid, sid, name, cb) {
    const channel = this.channels.getChannel(name, false);
    if (channel) channel.leave(uid, sid);
    cb();
  }
}

// Pomelo looks at a module's own enumerable functions; a class has none.
module.exports = (app) => {
  const remote = new Remote(app);
  return { add: remote.add.bind(remote), leave: remote.leave.bind(remote) };
};
