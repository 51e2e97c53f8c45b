/**
 * Where the player wants to fly: the mouse, a finger that drags, or keys. A direction has x and y
 * from -1 to 1; dash() is called for each wish to dash.
 */

const KEYS = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
  KeyA: [-1, 0], KeyD: [1, 0], KeyW: [0, -1], KeyS: [0, 1],
};
const STICK = 60; // pixels that a finger drags for full speed
const FULL = 140; // pixels from the ship to the mouse for full speed

export class Helm {
  #down = new Set(); #mouse = null; #finger = null; #placeOfShip;

  /**
   * @param {HTMLElement} canvas
   * @param {() => {x: number, y: number}} placeOfShip on the screen
   * @param {() => void} dash
   */
  constructor(canvas, placeOfShip, dash) {
    this.#placeOfShip = placeOfShip;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse") {
        this.#mouse = { x: event.clientX, y: event.clientY };
        dash();
      } else if (this.#finger) {
        dash(); // a second finger
      } else {
        this.#finger = { id: event.pointerId, from: at(event), to: at(event) };
      }
    });
    addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse") this.#mouse = at(event);
      else if (this.#finger?.id === event.pointerId) this.#finger.to = at(event);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      addEventListener(end, (event) => {
        if (this.#finger?.id === event.pointerId) this.#finger = null;
      });
    }
    addEventListener("keydown", (event) => {
      if (event.target.closest?.("input, select, .panel, .offer")) return; // it is for a form
      if (event.code === "Space" && !event.repeat) dash();
      if (!KEYS[event.code] && event.code !== "Space") return;
      this.#down.add(event.code);
      this.#mouse = null;
      event.preventDefault();
    });
    addEventListener("keyup", (event) => this.#down.delete(event.code));
    addEventListener("blur", () => this.#down.clear());
  }

  /** The stick under the finger, to be drawn. */
  get stick() { return this.#finger; }

  direction() {
    const keys = [...this.#down].map((code) => KEYS[code]).filter(Boolean);
    if (keys.length > 0) return short(sum(keys, 0), sum(keys, 1));
    if (this.#finger) {
      const { from, to } = this.#finger;
      return short((to.x - from.x) / STICK, (to.y - from.y) / STICK);
    }
    if (!this.#mouse) return { x: 0, y: 0 };
    const ship = this.#placeOfShip();
    return short((this.#mouse.x - ship.x) / FULL, (this.#mouse.y - ship.y) / FULL);
  }
}

function at(event) { return { x: event.clientX, y: event.clientY }; }
function sum(list, i) { return list.reduce((total, one) => total + one[i], 0); }

function short(x, y) {
  const length = Math.hypot(x, y);
  return length > 1 ? { x: x / length, y: y / length } : { x, y };
}
