// The page of the chat. Whatever other people wrote is put in with textContent, never as HTML.
import { connect } from "./pomelua.js";

const EVERYONE = "*";
const MAX_SHOWN = 500; // messages kept on the page
const SAME_SPEAKER = 5 * 60 * 1000; // ms within which messages of one person share a heading
// Degrees of the colour circle that the eye keeps apart: the greens of HSL look nearly the same.
const HUES = [4, 28, 46, 74, 138, 174, 196, 218, 246, 276, 304, 334];
const NAME_TAKEN = "This name is taken in this room.";
const TAKEN = 409; // what a server with tokens says when somebody of that name is there
const LONG = 40000; // ms: longer than the server keeps the session of somebody whose line is lost
const NEWS = 5000; // ms for which it is shown that one is back
const RESTART = 1001; // the close code of a server that stops (RFC 6455 7.4.1: going away)

const $ = (id) => document.getElementById(id);
const phone = matchMedia("(max-width: 760px)");

let client = null;
let me = { name: "", room: "" };
let people = new Set();
let target = EVERYONE;
let last = null; // the message shown last, for grouping
let unread = 0;
let following = true; // whether the newest line is kept in view
let writable = true; // whether there is a connection to send it over
let restarting = false; // whether the server said that it goes away
let kicked = null; // the server's reason, when it ended the connection
let calm = null; // the timer that ends the news of being back
const hues = new Map(); // name to hue

// The gate: port 3014 beside this page, unless the address says ?gate=port or ?gate=host:port.
function gateAddress() {
  const asked = new URLSearchParams(location.search).get("gate") ?? "3014";
  const [, host, port] = asked.match(/^(?:(.*):)?(\d+)$/) ?? [null, null, 3014];
  return { host: host || location.hostname || "127.0.0.1", port: Number(port) };
}

// Entering and leaving

async function askGate(name, room) {
  const gate = await connect(gateAddress(), { reconnect: false });
  const entry = await gate.request("gate.gateHandler.queryEntry", { uid: name, rid: room })
    .finally(() => gate.disconnect());
  if (entry.code !== 200) throw new Error(entry.message ?? "No server is free.");
  return entry;
}

// Where to connect to, and the token, as the gate says for each connection; the first answer is
// there already. A token before the old one expires is asked for alone. Without tokens: undefined.
function entriesOf(entry, name, room) {
  let next = entry, { token } = entry;
  async function target() {
    const { host, port, token: given } = next ?? await askGate(name, room);
    next = null;
    token = given;
    return { host, port };
  }
  return { target, token: token && (async () => {
    const text = token ?? (await askGate(name, room)).token;
    token = null;
    return text;
  }) };
}

async function enter(name, room) {
  const { target: where, token } = entriesOf(await askGate(name, room), name, room);
  me = { name, room };
  kicked = null;
  client = await connect(where, { login, token })
    .catch((error) => { throw error.status === TAKEN ? problemOf("name", NAME_TAKEN) : error; });
  client.on("onChat", onChat).on("onAdd", onAdd).on("onLeave", onLeave)
    .on("open", onOpen).on("disconnect", onDisconnect).on("reconnecting", onReconnecting)
    .on("kick", onKick);
}

// An error that belongs to a field of the form.
function problemOf(field, message) {
  return Object.assign(new Error(message), { field });
}

// Runs at first, and again after a reconnect in which the session was not resumed.
async function login(connection) {
  const answer = await connection.request("connector.entryHandler.enter",
    { username: me.name, rid: me.room });
  if (answer.code === 500) throw problemOf("name", answer.message ?? NAME_TAKEN);
  people = new Set(answer.users);
}

function leave() {
  const old = client;
  client = null;
  old?.disconnect();
  show("login");
}

// What the server tells

function onChat({ msg, from, target: to }) {
  addMessage({ from, text: msg, whisper: to !== EVERYONE });
}

function onAdd({ user }) {
  if (people.has(user)) return;
  people.add(user);
  showPeople();
  addSystemLine(`${user} has joined`);
}

function onLeave({ user }) {
  if (!people.delete(user)) return;
  if (target === user) setTarget(EVERYONE);
  showPeople();
  addSystemLine(`${user} has left`);
}

// When the session was resumed, nobody has seen that we were away, and nothing was missed.
function onOpen({ resumed }) {
  restarting = false;
  showStatus("open", resumed ? "Back, nothing missed" : "Connected");
  if (resumed) calm = setTimeout(() => showStatus("open", "Connected"), NEWS);
  showBanner(null);
  allowWriting(true);
  $("composer-error").textContent = "";
  if (resumed) return;
  showPeople();
  if (target !== EVERYONE && !people.has(target)) setTarget(EVERYONE);
  addSystemLine("You are back. What was said meanwhile is not here.");
}

// What is written while the session waits to be resumed is sent then.
function onDisconnect({ code, retry, resumable }) {
  if (code === RESTART) restarting = true;
  if (!client) return;
  allowWriting(resumable, retry);
  if (retry) return;
  showStatus("closed", "Not connected");
  showBanner(kicked ?? "The connection has ended.", "Back to the start", leave);
}

function onReconnecting({ delay }) {
  showStatus("waiting", "Reconnecting …");
  if (delay === 0) return; // that is short: it needs no banner
  const seconds = Math.max(1, Math.round(delay / 1000));
  const why = restarting ? "The server restarts." : "The connection was lost.";
  showBanner(`${why} Next attempt in ${seconds} s.`, "Try now", () => client?.retryNow());
}

function onKick({ reason }) {
  kicked = reason ? `You were sent out of the room: ${reason}.` : "You were sent out of the room.";
  addSystemLine(kicked);
}

// Speaking

async function send(text) {
  const to = target;
  $("text").value = "";
  fitText();
  try {
    const answer = await client.request("chat.chatHandler.send", { content: text, target: to },
      { timeout: LONG });
    if (answer.code === 500) throw new Error(answer.message ?? "The message was not sent.");
    // The room hears everybody, us included; of a private message only the other one hears.
    if (to !== EVERYONE) addMessage({ from: me.name, to, text, whisper: true });
    $("composer-error").textContent = "";
  } catch (error) {
    // What was not sent comes back, before what was typed meanwhile.
    $("text").value = [text, $("text").value].filter(Boolean).join("\n");
    fitText();
    $("composer-error").textContent = error.code === "CLOSED"
      ? "Not sent: there is no connection." : `Not sent: ${error.message}`;
  }
}

// Without a connection nothing can be sent, and the composer shows it. While the connection comes
// back, a text can be prepared.
function allowWriting(sending, typing = sending) {
  writable = sending;
  $("send").disabled = !sending;
  $("text").disabled = !typing;
  showPlaceholder();
}

function showPlaceholder() {
  $("text").placeholder = $("text").disabled ? "Not connected"
    : target === EVERYONE ? "Write to everyone" : `Write to ${target}`;
}

function setTarget(name) {
  target = name;
  const whisper = name !== EVERYONE;
  $("target").hidden = !whisper;
  $("target-name").textContent = whisper ? name : "";
  showPlaceholder();
  $("composer").classList.toggle("whisper", whisper);
  for (const button of $("people-list").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.name === name));
  }
}

function whisperTo(name) {
  openPeople(false);
  setTarget(target === name ? EVERYONE : name);
  $("text").focus();
}

// Showing

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// A name keeps its colour, which is the same on most pages: the name decides, unless somebody who
// is here has that colour already.
function hueOf(name) {
  if (hues.has(name)) return String(hues.get(name));
  let hash = 7;
  for (const c of name) hash = (hash * 31 + c.codePointAt(0)) % 1000003;
  const taken = new Set([me.name, ...people].map((other) => hues.get(other)));
  const inOrder = HUES.map((_, i) => HUES[(hash + 5 * i) % HUES.length]);
  hues.set(name, inOrder.find((hue) => !taken.has(hue)) ?? inOrder[0]);
  return String(hues.get(name));
}

function avatarOf(name) {
  const avatar = element("span", "avatar", [...name][0]);
  avatar.setAttribute("aria-hidden", "true");
  avatar.style.setProperty("--hue", hueOf(name));
  return avatar;
}

function timeOf(date) {
  const time = element("time", "",
    date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = date.toISOString();
  return time;
}

function addMessage({ from, to, text, whisper }) {
  const own = from === me.name;
  const now = new Date();
  const first = !last || last.from !== from || last.to !== to || last.whisper !== whisper
    || now - last.at > SAME_SPEAKER;
  last = { from, to, whisper, at: now };

  const item = element("li", "message");
  item.classList.toggle("own", own);
  item.classList.toggle("whisper", whisper);
  item.classList.toggle("first", first);
  item.style.setProperty("--hue", hueOf(from));
  if (first) {
    if (!own) item.append(avatarOf(from));
    const heading = element("div", "from");
    if (own) {
      heading.append(element("strong", "visually-hidden", "You"));
    } else {
      const name = element("button", "", from);
      name.type = "button";
      name.title = `Write to ${from} only`;
      name.addEventListener("click", () => whisperTo(from));
      heading.append(name);
    }
    if (whisper) heading.append(element("span", "whispered", to ? `only to ${to}` : "only to you"));
    heading.append(timeOf(now));
    item.append(heading);
  }
  item.append(element("div", "bubble", text));
  addLine(item, own);

  if (document.hidden && !own) {
    unread++;
    showTitle();
  }
}

function addSystemLine(text) {
  last = null;
  addLine(element("li", "system", text), false);
}

// Follows the talk, unless somebody has scrolled up to read.
function addLine(item, follow) {
  const list = $("messages");
  list.append(item);
  while (list.children.length > MAX_SHOWN) list.firstElementChild.remove();
  if (following || follow) scrollToEnd();
  else $("newest").hidden = false;
}

function scrollToEnd() {
  following = true;
  $("scroller").scrollTop = $("scroller").scrollHeight;
  $("newest").hidden = true;
}

function showPeople() {
  const others = [...people].filter((name) => name !== me.name).sort((a, b) => a.localeCompare(b));
  const items = [me.name, ...others].map((name) => {
    const self = name === me.name;
    const row = element(self ? "div" : "button", "person");
    const label = element("span", "label", name);
    if (self) label.append(element("span", "you", " (you)"));
    row.append(avatarOf(name), label);
    if (!self) {
      row.type = "button";
      row.dataset.name = name;
      row.setAttribute("aria-pressed", String(name === target));
      row.addEventListener("click", () => whisperTo(name));
    }
    const item = element("li");
    item.append(row);
    return item;
  });
  // Who walks through the list with the keyboard stays where they are.
  const focused = document.activeElement?.dataset?.name;
  $("people-list").replaceChildren(...items);
  if (focused) {
    items.map((item) => item.firstChild).find((row) => row.dataset.name === focused)?.focus();
  }
  $("people-count").textContent = $("people-badge").textContent = String(items.length);
}

function showStatus(state, text) {
  clearTimeout(calm);
  $("status").dataset.state = state;
  $("status").textContent = text;
}

function showBanner(text, action, run) {
  $("banner").hidden = !text;
  $("banner-text").textContent = text ?? "";
  $("banner-action").textContent = action ?? "";
  $("banner-action").onclick = run ?? null;
}

function showTitle() {
  const place = client ? `${me.room} · Pomelua chat` : "Pomelua chat";
  document.title = unread > 0 ? `(${unread}) ${place}` : place;
}

function show(view) {
  $("login").hidden = view !== "login";
  $("chat").hidden = view !== "chat";
  unread = 0;
  showTitle();
  if (view === "login") {
    $("name").focus();
    return;
  }
  last = null;
  following = true;
  $("messages").replaceChildren();
  $("composer-error").textContent = "";
  $("newest").hidden = true;
  $("room-title").textContent = me.room;
  showStatus("open", "Connected");
  showBanner(null);
  allowWriting(true);
  setTarget(EVERYONE);
  showPeople();
  openPeople(false);
  addSystemLine(`You are in ${me.room}`);
  if (!phone.matches) $("text").focus(); // on phones that would call the keyboard
}

// On phones the list of people is a drawer over the page.
function openPeople(open) {
  const drawer = phone.matches;
  const wasOpen = $("people").classList.contains("open");
  $("people").classList.toggle("open", drawer && open);
  $("people").inert = drawer && !open;
  $("room-view").inert = drawer && open;
  $("backdrop").hidden = !(drawer && open);
  $("people-open").setAttribute("aria-expanded", String(drawer && open));
  if (!drawer) return;
  if (open) $("people-close").focus();
  else if (wasOpen) $("people-open").focus();
}

// The text field grows with its text, where CSS alone does not do it.
function fitText() {
  if (CSS.supports("field-sizing", "content")) return;
  $("text").style.height = "auto";
  $("text").style.height = `${$("text").scrollHeight + 2}px`;
}

// Storage may be switched off; then the page just does not remember.
function remember(values) {
  try {
    localStorage.setItem("pomelua-chat", JSON.stringify(values));
  } catch { /* see above */ }
}

function remembered() {
  try {
    return JSON.parse(localStorage.getItem("pomelua-chat")) ?? {};
  } catch {
    return {};
  }
}

// Says what is wrong under the field that it is about, or under the form ("login").
function showProblem(field, text = "") {
  $("login-error").textContent = field === "login" ? text : "";
  for (const each of ["name", "room"]) {
    $(`${each}-error`).textContent = field === each ? text : "";
    $(each).setAttribute("aria-invalid", String(field === each));
    if (field === each) $(each).focus();
  }
}

// What people do

$("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = $("name").value.trim();
  const room = $("room").value.trim();
  showProblem(null);
  for (const [field, value] of [["name", name], ["room", room]]) {
    if (!value) return showProblem(field, `The ${field} is missing.`);
    if (value.includes("*")) return showProblem(field, `The ${field} must not contain *.`);
  }
  $("enter").disabled = true;
  $("enter").textContent = "Entering …";
  try {
    await enter(name, room);
    remember({ name, room });
    show("chat");
  } catch (error) {
    showProblem(error.field ?? "login",
      ["CLOSED", "TIMEOUT"].includes(error.code) ? "The server does not answer." : error.message);
  } finally {
    $("enter").disabled = false;
    $("enter").textContent = "Enter the room";
  }
});

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (text && writable) send(text);
  else if (text) $("composer-error").textContent = "Not sent: there is no connection.";
  $("text").focus();
});

$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
});
$("text").addEventListener("input", fitText);

$("target-clear").addEventListener("click", () => {
  setTarget(EVERYONE);
  $("text").focus();
});
$("newest").addEventListener("click", scrollToEnd);
$("scroller").addEventListener("scroll", () => {
  const { scrollHeight, scrollTop, clientHeight } = $("scroller");
  following = scrollHeight - scrollTop - clientHeight < 80;
  if (following) $("newest").hidden = true;
});
// A keyboard or a banner takes room away: what was in view stays in view.
new ResizeObserver(() => following && scrollToEnd()).observe($("scroller"));
$("leave").addEventListener("click", leave);
$("people-open").addEventListener("click", () => openPeople(true));
$("people-close").addEventListener("click", () => openPeople(false));
$("backdrop").addEventListener("click", () => openPeople(false));
phone.addEventListener("change", () => openPeople(false));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if ($("people").classList.contains("open")) openPeople(false);
  else if (target !== EVERYONE) setTarget(EVERYONE);
});
document.addEventListener("visibilitychange", () => {
  unread = 0;
  showTitle();
});

const before = remembered();
const asked = new URLSearchParams(location.search);
$("name").value = asked.get("name") ?? before.name ?? "";
$("room").value = asked.get("room") ?? before.room ?? "lobby";
$($("name").value ? "enter" : "name").focus();
