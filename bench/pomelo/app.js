// The small app of the benchmark, as in ../app, on Pomelo.
const pomelo = require("pomelo");

const app = pomelo.createApp();
app.set("name", "bench");
app.configure("production|development", "connector", () => {
  app.set("connectorConfig", { connector: pomelo.connectors.hybridconnector, heartbeat: 30 });
});
app.start();
