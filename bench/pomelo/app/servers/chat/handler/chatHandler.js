class Handler {
  constructor(app) {
    this.channels = app.get("channelService");
  }

  send(msg, session, next) {
    const channel = this.channels.getChannel(session.get("rid"), false);
    channel.pushMessage("onChat",
      { content: msg.content, from: session.uid, target: msg.target }, () => {});
    next(null, { code: 200 });
  }

  echo(msg, session, next) {
    next(null, { code: 200, content: msg.content });
  }
}

module.exports = (app) => new Handler(app);
