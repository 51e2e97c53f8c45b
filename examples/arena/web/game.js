/**
 * What the page knows of the arena, and where everything is at a moment. Updates come 20 times a
 * second; the page draws a tenth of a second behind the newest, so that it has the positions before
 * and after the moment that it draws.
 */

const BEHIND = 100; // ms

export class Game {
  constructor(arena, now) {
    const { id, width, height, step, radius, rest } = arena;
    Object.assign(this, { id, width, height, step, radius, rest });
    this.names = new Map(arena.ships.map((ship) => [ship.id, ship]));
    this.lying = new Map(arena.stars.map((star) => [star.id, star]));
    this.updates = [];
    this.offset = null; // from the time of the updates to the time of the page
    this.ends = now + arena.left * 1000;
  }

  /** onWorld: where all ships are. */
  world({ step, ships }, now) {
    const time = step * this.step;
    // The quickest update tells the offset best; it may drift back slowly.
    const offset = now - time;
    this.offset = this.offset === null ? offset : Math.min(offset, this.offset + 0.5);
    if (Math.abs(offset - this.offset) > 2000) this.offset = offset;
    this.updates.push({ time, ships: new Map((ships ?? []).map((ship) => [ship.id, ship])) });
    while (this.updates.length > 40) this.updates.shift();
  }

  /** onStars: which lie there now and which do not any more. Returns those taken. */
  stars({ added, taken }) {
    for (const star of added ?? []) this.lying.set(star.id, star);
    const gone = [];
    for (const { id, ship } of taken ?? []) {
      const star = this.lying.get(id);
      if (star) gone.push({ ...star, ship });
      this.lying.delete(id);
    }
    return gone;
  }

  join(ship) { this.names.set(ship.id, ship); }
  leave({ id }) { this.names.delete(id); }
  round({ left }, now) { this.ends = now + left * 1000; }

  /** The newest that is known of a ship. */
  newest(id) { return this.updates.at(-1)?.ships.get(id); }

  /** All ships as they are to be drawn at this moment. */
  ships(now) {
    const last = this.updates.at(-1);
    if (!last) return [];
    const time = now - this.offset - BEHIND;
    let i = this.updates.length - 1;
    while (i > 0 && this.updates[i - 1].time > time) i--;
    const after = this.updates[i], before = this.updates[Math.max(0, i - 1)];
    const span = after.time - before.time;
    const part = span > 0 ? Math.max(0, Math.min(1, (time - before.time) / span)) : 1;
    return [...after.ships.values()].map((ship) => {
      const from = before.ships.get(ship.id) ?? ship;
      const turn = (ship.heading - from.heading + 540) % 360 - 180;
      return {
        ...ship, ...this.names.get(ship.id), score: last.ships.get(ship.id)?.score ?? ship.score,
        x: from.x + (ship.x - from.x) * part,
        y: from.y + (ship.y - from.y) * part,
        heading: from.heading + turn * part,
      };
    });
  }

  /** The scores, the best first. */
  scores() {
    return [...this.updates.at(-1)?.ships.values() ?? []]
      .map((ship) => ({ ...ship, name: this.names.get(ship.id)?.name ?? "" }))
      .sort((a, b) => b.score - a.score || a.id - b.id);
  }
}
