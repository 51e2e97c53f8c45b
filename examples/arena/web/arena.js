/** The page: enters the arena, passes on what the player does, and shows what happens. */
import { Client } from "./pomelua.js";
import { Game } from "./game.js";
import { Helm } from "./steer.js";
import { Painter, colourOf } from "./draw.js";
import { Panels } from "./panels.js";
import { mute, play } from "./sound.js";

const STEER = "area.shipHandler.steer";
const $ = (id) => document.getElementById(id);
const port = Number(new URLSearchParams(location.search).get("port")) || 3060;

let client = null, game = null, name = "", password = "";
let user = {}; // with the token that the game gives, where it does
let sent = { x: 0, y: 0 }, sentAt = 0, wantsDash = false, dashedAt = -Infinity;
let last = performance.now(), newsTimer = null;

const painter = new Painter($("canvas"));
const panels = new Panels({
  ask: (route, msg) => client.request(route, msg),
  others: () => [...game?.names.values() ?? []]
    .filter((ship) => !ship.robot && ship.id !== game.id).map((ship) => ship.name),
  me: () => name,
  news,
});
const helm = new Helm($("canvas"), placeOfShip, wishDash);

function placeOfShip() {
  const me = game?.newest(game.id), { x, y, scale } = painter.camera;
  if (!me) return { x: innerWidth / 2, y: innerHeight / 2 };
  return { x: innerWidth / 2 + (me.x - x) * scale, y: innerHeight / 2 + (me.y - y) * scale };
}

function wishDash() {
  if (game && performance.now() - dashedAt >= game.rest) wantsDash = true;
}

function news(text) {
  $("news").textContent = text;
  $("news").classList.add("shown");
  clearTimeout(newsTimer);
  newsTimer = setTimeout(() => $("news").classList.remove("shown"), 3500);
}

// Entering

async function login(client) {
  const answer = await client.request("connector.entryHandler.enter", { name, password });
  if (answer.code !== 200) throw new Error(answer.message ?? "The arena does not answer.");
  if (answer.token) user.token = answer.token;
  game = new Game(answer.arena, performance.now());
  sent = { x: 0, y: 0 };
}

function listen(client) {
  const now = () => performance.now();
  client.on("onWorld", (msg) => {
    game?.world(msg, now());
    showScores();
  });
  client.on("onStars", (msg) => game?.stars(msg).forEach(taken));
  client.on("onJoin", (ship) => {
    game?.join(ship);
    if (!ship.robot && ship.id !== game?.id) news(`${ship.name} is here`);
  });
  client.on("onLeave", (ship) => game?.leave(ship));
  client.on("onBump", bump);
  client.on("onRound", (round) => {
    game?.round(round, now());
    play(330, 990, 0.6, "square", 0.05);
    news(round.winner ? `${round.winner} wins with ${round.score} stars!` : "A new round begins");
  });
  panels.listen(client);
  client.on("kick", () => { $("status").textContent = "You play elsewhere now."; });
  client.on("disconnect", ({ retry }) => {
    if (retry) $("status").textContent = "Connection lost, trying again…";
    else if (!$("status").textContent) $("status").textContent = "Connection lost";
  });
  client.on("open", () => { $("status").textContent = ""; });
}

$("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  name = $("name").value.trim();
  password = $("password").value;
  user = {};
  $("problem").textContent = "";
  $("enter").disabled = true;
  try {
    if (!name) throw new Error("Please write a name.");
    client = new Client({ host: location.hostname, port }, { login, user });
    listen(client); // before the first push
    await client.open();
    $("login").hidden = true;
    $("hud").hidden = false;
    document.activeElement.blur();
    panels.start();
    sessionStorage.setItem("name", name);
  } catch (error) {
    client?.disconnect();
    $("problem").textContent = error.message;
  } finally {
    $("enter").disabled = false;
  }
});

// What happens

function taken(star) {
  painter.burst(star.x, star.y, star.golden ? "#ffd166" : "#9fd8ff", star.golden ? 18 : 7);
  if (star.ship === game.id) play(star.golden ? 660 : 520, star.golden ? 1320 : 780, 0.14);
}

function bump({ by, on, stars }) {
  const ship = game?.newest(on);
  if (ship) painter.burst(ship.x, ship.y, colourOf(by), 22);
  if (on !== game?.id && by !== game?.id) return;
  painter.shake();
  play(180, 60, 0.3, "sawtooth");
  const other = game.names.get(on === game.id ? by : on)?.name ?? "";
  if (stars > 0) {
    const what = `${stars} ${stars === 1 ? "star" : "stars"}`;
    news(on === game.id ? `${other} took ${what} from you!` : `${what} from ${other}!`);
  }
}

// What the player does: at most one message in 50 ms, and none when nothing has changed.
function steer(now) {
  if (!client || client.state !== "open" || now - sentAt < 50) return;
  const wish = helm.direction();
  const x = Math.round(wish.x * 100), y = Math.round(wish.y * 100);
  if (x === sent.x && y === sent.y && !wantsDash) return;
  const message = { x, y };
  if (wantsDash) {
    message.dash = 1;
    dashedAt = now;
    play(220, 440, 0.18, "sawtooth", 0.04);
  }
  client.notify(STEER, message);
  sent = { x, y };
  sentAt = now;
  wantsDash = false;
}

// What is shown

function showHud(now) {
  const left = Math.max(0, Math.ceil((game.ends - now) / 1000));
  $("clock").textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  const ready = Math.min(1, (now - dashedAt) / game.rest);
  $("ring").style.strokeDashoffset = 176 * (1 - ready);
}

// Anew with each update, not with each picture.
function showScores() {
  if (!game) return;
  $("scores").replaceChildren(...game.scores().slice(0, 6).map((ship) => {
    const row = document.createElement("li"), dot = document.createElement("i");
    const who = document.createElement("span"), score = document.createElement("b");
    dot.style.background = colourOf(ship.id);
    who.textContent = ship.name;
    score.textContent = ship.score;
    row.className = ship.id === game.id ? "me" : "";
    row.append(dot, who, score);
    return row;
  }));
}

function frame(now) {
  const ms = Math.min(100, now - last);
  last = now;
  if (game) {
    steer(now);
    const ships = game.ships(now);
    painter.draw(game, ships, ships.find((ship) => ship.id === game.id), now, ms);
    showHud(now);
  }
  requestAnimationFrame(frame);
}

$("dash").addEventListener("click", wishDash);
$("sound").addEventListener("click", () => {
  const silent = $("sound").getAttribute("aria-pressed") === "true";
  $("sound").setAttribute("aria-pressed", String(!silent));
  mute(silent);
});
$("name").value = sessionStorage.getItem("name") ?? "";
$("name").focus();
requestAnimationFrame(frame);
