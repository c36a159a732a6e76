// A line over time, drawn as SVG: memory in bytes, with the budget as a dashed line.

import { bytes, moment } from "/format.js";
import { say } from "/language.js";

const margin = { top: 14, right: 4, bottom: 24, left: 56 };

function svg(tag, attributes, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return node;
}

/** A round step that cuts 0…top into about four. */
function step(top) {
  const unit = 2 ** Math.floor(Math.log2(top / 4));
  return top / unit > 6 ? unit * 2 : unit;
}

export class MemoryChart {
  #host;
  #tip = document.createElement("div");
  #samples = [];
  #budget = 0;
  #place = null;

  constructor(host) {
    this.#host = host;
    this.#tip.className = "tip";
    this.#tip.hidden = true;
    new ResizeObserver(() => this.#draw()).observe(host);
    host.addEventListener("pointermove", (event) => this.#point(event.clientX - host.getBoundingClientRect().left));
    host.addEventListener("pointerleave", () => this.#point(null));
  }

  /**
   * @param {{time: number, bytes: number}[]} samples oldest first; Unix seconds
   * @param {number} budget bytes
   */
  show(samples, budget) {
    this.#samples = samples;
    this.#budget = budget;
    this.#draw();
  }

  #draw() {
    const width = this.#host.clientWidth, height = this.#host.clientHeight;
    const samples = this.#samples;
    if (width === 0 || samples.length === 0) return;
    // From zero up, so that a flat line looks flat and a growing one cannot hide.
    const top = Math.max(this.#budget, ...samples.map((sample) => sample.bytes)) * 1.08;
    const end = samples.at(-1).time;
    // At least a minute wide: a young process does not draw noise across the card.
    const begin = Math.min(samples[0].time, end - 60);
    const x = (time) => margin.left + ((time - begin) / (end - begin)) * (width - margin.left - margin.right);
    const y = (value) => height - margin.bottom - (value / top) * (height - margin.top - margin.bottom);
    const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` });

    const between = step(top);
    for (let value = 0; value <= top; value += between) {
      picture.append(
        svg("line", { class: "grid", x1: margin.left, x2: width - margin.right, y1: y(value), y2: y(value) }),
        svg("text", { x: margin.left - 10, y: y(value) + 4, "text-anchor": "end" }, value === 0 ? "0" : bytes(value).join(" ")),
      );
    }
    picture.append(
      svg("text", { x: margin.left, y: height - 4 }, moment(begin, end - begin)),
      svg("text", { x: width - margin.right, y: height - 4, "text-anchor": "end" }, moment(end, end - begin)),
    );
    if (this.#budget > 0) {
      const level = y(this.#budget);
      picture.append(
        svg("line", { class: "budget", x1: margin.left, x2: width - margin.right, y1: level, y2: level }),
        svg("text", { class: "budget-label", x: width - margin.right, y: level - 6, "text-anchor": "end" }, say("上限", "bound")),
      );
    }
    const points = samples.map((sample) => `${x(sample.time).toFixed(1)},${y(sample.bytes).toFixed(1)}`);
    const last = samples.at(-1);
    picture.append(
      svg("polygon", { class: "area", points: [`${x(samples[0].time)},${y(0)}`, ...points, `${x(last.time)},${y(0)}`].join(" ") }),
      svg("polyline", { class: "line", points: points.join(" ") }),
      svg("circle", { class: "point", cx: x(last.time), cy: y(last.bytes), r: 4.5 }),
    );
    this.#place = { picture, x, height, width, span: end - begin };
    this.#host.replaceChildren(picture, this.#tip);
    this.#tip.hidden = true;
  }

  /** Shows the sample nearest to a horizontal position, or none. */
  #point(position) {
    this.#tip.hidden = position === null || !this.#place;
    this.#place?.picture.querySelector(".cursor")?.remove();
    if (this.#tip.hidden) return;
    const { picture, x, height, width, span } = this.#place;
    const distance = (sample) => Math.abs(x(sample.time) - position);
    const nearest = this.#samples.reduce((best, sample) => (distance(sample) < distance(best) ? sample : best));
    const at = x(nearest.time);
    picture.append(svg("line", { class: "cursor", x1: at, x2: at, y1: margin.top, y2: height - margin.bottom }));
    this.#tip.textContent = `${moment(nearest.time, span, true)}  ${bytes(nearest.bytes, 2).join(" ")}`;
    this.#tip.style.left = `${Math.min(Math.max(at - this.#tip.offsetWidth / 2, 0), width - this.#tip.offsetWidth)}px`;
  }
}
