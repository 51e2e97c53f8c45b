class Handler {
  constructor(app) {
    this.app = app;
  }

  enter(msg, session, next) {
    const { app } = this;
    if (!app.rpc) { // the port is open before Pomelo has it
      next(null, { code: 503 });
      return;
    }
    const sid = app.get("serverId");
    session.bind(msg.uid);
    session.set("rid", msg.rid);
    session.on("closed", (gone) => {
      app.rpc.chat.chatRemote.leave(gone, gone.uid, sid, gone.get("rid"), null);
    });
    session.push("rid", () => {
      app.rpc.chat.chatRemote.add(session, msg.uid, sid, msg.rid, (err) => {
        next(err, { code: 200 });
      });
    });
  }

  echo(msg, session, next) {
    next(null, { code: 200, content: msg.content });
  }
}

module.exports = (app) => new Handler(app);
