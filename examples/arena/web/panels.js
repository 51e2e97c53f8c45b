/** What a player owns and has won, on the page: the bag of gems, the trade, the ladder. */

const KINDS = ["ruby", "topaz", "emerald", "sapphire"];
const $ = (id) => document.getElementById(id);

function gem(kind, number) {
  const span = document.createElement("span");
  span.className = `gem ${kind}`;
  span.title = kind;
  span.textContent = number;
  return span;
}

const a = (word) => `${/^[aeiou]/.test(word) ? "an" : "a"} ${word}`;

function options(select, values) {
  const before = select.value;
  select.replaceChildren(...values.map((value) => new Option(value)));
  if (values.includes(before)) select.value = before;
}

export class Panels {
  #ask; #others; #me; #news; #bag = {}; #offers = [];

  /**
   * @param {object} page
   * @param {(route: string, msg: object) => Promise<object>} page.ask
   * @param {() => string[]} page.others the names of the other players
   * @param {() => string} page.me
   * @param {(text: string) => void} page.news
   */
  constructor({ ask, others, me, news }) {
    this.#ask = ask;
    this.#others = others;
    this.#me = me;
    this.#news = news;
    $("bag").addEventListener("click", () => this.#open("trade", () => this.#showTrade()));
    $("give").addEventListener("change", () => this.#showTakes());
    $("best").addEventListener("click", () => this.#open("ladder", () => this.#showLadder()));
    for (const panel of ["trade", "ladder"]) {
      $(panel).querySelector(".close").addEventListener("click", () => { $(panel).hidden = true; });
    }
    $("trade-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#offer();
    });
    $("agree").addEventListener("click", () => this.#answer(true));
    $("decline").addEventListener("click", () => this.#answer(false));
    addEventListener("keydown", (event) => {
      if (event.code === "Escape") $("trade").hidden = $("ladder").hidden = true;
    });
    this.#showBag({});
  }

  listen(client) {
    client.on("onBag", ({ bag }) => this.#showBag(bag));
    client.on("onOffer", (offer) => {
      this.#offers.push(offer);
      this.#showOffer();
    });
    client.on("onTrade", (trade) => this.#told(trade));
    client.on("open", ({ again }) => { if (again) this.start(); });
  }

  /** The player is in the arena. */
  async start() {
    this.#offers = [];
    this.#showOffer();
    const { code, bag } = await this.#ask("area.tradeHandler.bag", {}).catch(() => ({}));
    if (code === 200) this.#showBag(bag);
  }

  #open(panel, show) {
    for (const one of ["trade", "ladder"]) $(one).hidden = one !== panel || !$(one).hidden;
    if (!$(panel).hidden) show();
  }

  #showBag(bag) {
    this.#bag = bag;
    $("bag").replaceChildren(...KINDS.map((kind) => gem(kind, bag[kind] ?? 0)));
    if (!$("trade").hidden) this.#showTrade();
  }

  #showTrade() {
    $("gems").replaceChildren(...KINDS.map((kind) => {
      const item = document.createElement("li");
      item.append(gem(kind, `${this.#bag[kind] ?? 0} ${kind}`));
      return item;
    }));
    options($("give"), KINDS.filter((kind) => this.#bag[kind] > 0));
    this.#showTakes();
    options($("to"), this.#others());
  }

  /** What a player may take for the gem that is given. */
  #showTakes() {
    options($("take"), KINDS.filter((kind) => kind !== $("give").value));
  }

  async #showLadder() {
    const { ladder } = await this.#ask("area.ladderHandler.top", {}).catch(() => ({}));
    $("no-ladder").hidden = ladder?.length !== 0;
    $("top").replaceChildren(...(ladder ?? []).map(({ player, stars, rounds, wins }) => {
      const row = document.createElement("tr");
      row.className = player === this.#me() ? "me" : "";
      row.append(...[player, stars, rounds, wins].map((text) => {
        const cell = document.createElement("td");
        cell.textContent = text;
        return cell;
      }));
      return row;
    }));
  }

  async #offer() {
    const give = $("give").value, take = $("take").value, to = $("to").value;
    $("trade-problem").textContent = "";
    try {
      if (!give) throw new Error("You have no gem yet: catch a golden star.");
      if (!to) throw new Error("Nobody else is here.");
      const answer = await this.#ask("area.tradeHandler.offer", { to, give, take });
      if (answer.code !== 200) throw new Error(answer.message);
      $("trade").hidden = true;
      this.#news(`${to} sees your offer`);
    } catch (error) {
      $("trade-problem").textContent = error.message;
    }
  }

  // The oldest offer that is not answered.
  #showOffer() {
    const [offer] = this.#offers;
    $("offer").hidden = !offer;
    if (!offer) return;
    $("offered").textContent = `${offer.from} gives ${a(offer.give)} for ${a(offer.take)} of yours.`;
  }

  async #answer(yes) {
    const offer = this.#offers.shift();
    this.#showOffer();
    if (!offer) return;
    const answer = await this.#ask("area.tradeHandler.answer", { id: offer.id, yes })
      .catch((error) => ({ message: error.message }));
    if (answer.code !== 200) this.#news(answer.message ?? "The trade was not done.");
  }

  #told({ from, to, give, take, done }) {
    const mine = from === this.#me();
    const [got, other] = mine ? [take, to] : [give, from];
    if (done) this.#news(`${other} gave you ${a(got)}`);
    else if (mine) this.#news(`${to} does not trade`);
  }
}
