/** Draws the arena: the camera, the floor, stars, ships, and sparks when something happens. */

const TAU = 2 * Math.PI;

/** Everybody has a colour of their own. */
export function colourOf(id) { return `hsl(${id * 137.5 % 360} 85% 66%)`; }

export class Painter {
  #canvas; #paper; #sparks = []; #shake = 0; #still;
  camera = { x: 0, y: 0, scale: 1 };

  constructor(canvas) {
    this.#canvas = canvas;
    this.#paper = canvas.getContext("2d");
    this.#still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  }

  /** Sparks fly from a place in the arena. */
  burst(x, y, colour, number) {
    if (this.#still) number = Math.min(number, 4);
    for (let i = 0; i < number; i++) {
      const angle = Math.random() * TAU, speed = 60 + Math.random() * 200;
      this.#sparks.push({
        x, y, dx: Math.cos(angle) * speed, dy: Math.sin(angle) * speed, colour, life: 1,
      });
    }
  }

  shake() { if (!this.#still) this.#shake = 1; }

  /** @param {number} ms since the last picture */
  draw(game, ships, me, now, ms) {
    const canvas = this.#canvas, paper = this.#paper;
    const ratio = Math.min(2, devicePixelRatio || 1);
    const width = innerWidth, height = innerHeight;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    this.#follow(game, me, width, height, ms);
    const { x, y, scale } = this.camera;
    paper.setTransform(ratio, 0, 0, ratio, 0, 0);
    paper.fillStyle = "#0c1024";
    paper.fillRect(0, 0, width, height);
    this.#shake = Math.max(0, this.#shake - ms / 250);
    paper.translate(width / 2 + this.#jolt(), height / 2 + this.#jolt());
    paper.scale(scale, scale);
    paper.translate(-x, -y);
    this.#floor(game);
    for (const star of game.lying.values()) this.#star(star, now);
    for (const ship of ships) this.#ship(game, ship, ship.id === game.id, now);
    this.#fly(ms);
  }

  #jolt() { return (Math.random() - 0.5) * 14 * this.#shake; }

  // A large window shows the whole arena, a phone the part around the own ship.
  #follow(game, me, width, height, ms) {
    const across = width / game.width, down = height / game.height;
    const whole = Math.min(across, down) * 0.96;
    const close = Math.min(Math.max(across, down), Math.min(width, height) / 440);
    const scale = whole > 0.6 ? whole : Math.max(whole, close);
    const inside = (at, size, view) => view >= size ? size / 2
      : Math.max(view / 2 - 30, Math.min(size - view / 2 + 30, at));
    const goal = me ?? { x: game.width / 2, y: game.height / 2 };
    const x = inside(goal.x, game.width, width / scale);
    const y = inside(goal.y, game.height, height / scale);
    const part = this.camera.scale === scale ? Math.min(1, ms / 120) : 1;
    this.camera = {
      x: this.camera.x + (x - this.camera.x) * part,
      y: this.camera.y + (y - this.camera.y) * part,
      scale,
    };
  }

  #floor(game) {
    const paper = this.#paper;
    paper.fillStyle = "#131938";
    paper.strokeStyle = "#39427c";
    paper.lineWidth = 4;
    paper.beginPath();
    paper.roundRect(0, 0, game.width, game.height, 28);
    paper.fill();
    paper.stroke();
    paper.fillStyle = "#2a3263";
    for (let x = 80; x < game.width; x += 80) {
      for (let y = 60; y < game.height; y += 80) paper.fillRect(x, y, 3, 3);
    }
  }

  #star(star, now) {
    const paper = this.#paper;
    const size = (star.golden ? 16 : 10) * (1 + 0.12 * Math.sin(now / 200 + star.id));
    paper.save();
    paper.translate(star.x, star.y);
    paper.rotate(now / 1500 + star.id);
    paper.fillStyle = star.golden ? "#ffd166" : "#9fd8ff";
    if (star.golden) {
      paper.shadowColor = "#ffd166";
      paper.shadowBlur = 24;
    }
    paper.beginPath();
    for (let i = 0; i < 10; i++) {
      const r = i % 2 ? size * 0.45 : size;
      paper.lineTo(Math.cos(i * TAU / 10) * r, Math.sin(i * TAU / 10) * r);
    }
    paper.fill();
    paper.restore();
  }

  #ship(game, ship, own, now) {
    const paper = this.#paper, r = game.radius, colour = colourOf(ship.id);
    paper.save();
    paper.translate(ship.x, ship.y);
    if (own) {
      paper.strokeStyle = "#ffffff55";
      paper.lineWidth = 3;
      paper.beginPath();
      paper.arc(0, 0, r + 9, 0, TAU);
      paper.stroke();
    }
    paper.save();
    paper.rotate(ship.heading * TAU / 360 + (ship.dizzy ? Math.sin(now / 60) * 0.6 : 0));
    if (ship.dash) {
      paper.fillStyle = "#ffffff88";
      paper.beginPath();
      paper.moveTo(-r * 2.8, 0);
      paper.lineTo(-r * 0.4, -r * 0.7);
      paper.lineTo(-r * 0.4, r * 0.7);
      paper.fill();
    }
    paper.fillStyle = colour;
    paper.globalAlpha = ship.dizzy ? 0.55 : 1;
    paper.beginPath();
    paper.moveTo(r * 1.15, 0);
    paper.lineTo(-r * 0.85, -r * 0.85);
    paper.lineTo(-r * 0.4, 0);
    paper.lineTo(-r * 0.85, r * 0.85);
    paper.closePath();
    paper.fill();
    paper.restore();
    paper.fillStyle = own ? "#ffffff" : "#c9cdf0";
    paper.font = `${own ? 700 : 500} 17px system-ui, sans-serif`;
    paper.textAlign = "center";
    paper.fillText(`${ship.name ?? ""} ${ship.score}`, 0, -r - 16);
    paper.restore();
  }

  #fly(ms) {
    const paper = this.#paper;
    for (const spark of this.#sparks) {
      spark.x += spark.dx * ms / 1000;
      spark.y += spark.dy * ms / 1000;
      spark.life -= ms / 600;
      paper.globalAlpha = Math.max(0, spark.life);
      paper.fillStyle = spark.colour;
      paper.fillRect(spark.x - 3, spark.y - 3, 6, 6);
    }
    paper.globalAlpha = 1;
    this.#sparks = this.#sparks.filter((spark) => spark.life > 0);
  }
}
