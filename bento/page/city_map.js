// The map: an outline for each zone, coloured by minutes, chosen by click, zoomed by wheel, drag and buttons.

import { colourOf } from "./minutes_scale.js";

const SVG = "http://www.w3.org/2000/svg";
const MAX_ZOOM = 12;
const DRAG_PIXELS = 4;

function create(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

export class CityMap {
  constructor(svg, { width, height, zones }, { onPick, onHover }) {
    Object.assign(this, { svg, width, height, onPick, onHover, outlines: new Map(), moved: 0 });
    const layer = svg.querySelector("#zones");
    for (const zone of zones.filter(({ path }) => path)) {
      const outline = create("path", { d: zone.path, "data-zone": zone.id });
      this.outlines.set(zone.id, outline);
      layer.append(outline);
    }
    this.showAll();
    svg.addEventListener("click", (event) => this.pick(event));
    svg.addEventListener("pointermove", (event) => this.move(event));
    svg.addEventListener("pointerleave", () => onHover(null));
    svg.addEventListener("pointerdown", () => { this.moved = 0; });
    svg.addEventListener("wheel", (event) => this.turn(event), { passive: false });
  }

  // `minutes` by zone id; a zone without stays blank.
  paint(minutes) {
    for (const [id, outline] of this.outlines) {
      const found = minutes.get(id);
      outline.style.fill = found === undefined ? "" : colourOf(found);
    }
  }

  mark(zones) {
    const marks = this.svg.querySelector("#marks");
    marks.replaceChildren();
    for (const outline of this.outlines.values()) outline.classList.remove("chosen");
    for (const [letter, id] of Object.entries(zones)) {
      const outline = this.outlines.get(id);
      if (!outline) continue;
      outline.classList.add("chosen");
      outline.parentNode.append(outline); // the last one's edge is drawn over its neighbours'
      const box = outline.getBBox();
      const mark = create("g", { class: "mark" });
      const place = { cx: box.x + box.width / 2, cy: box.y + box.height / 2 };
      const text = create("text", { x: place.cx, y: place.cy, "text-anchor": "middle", "dominant-baseline": "central" });
      text.textContent = letter;
      mark.append(create("circle", place), text);
      marks.append(mark);
    }
    this.scaleMarks();
  }

  zoom(factor, x = this.view.x + this.view.width / 2, y = this.view.y + this.view.height / 2) {
    const width = Math.min(Math.max(this.view.width * factor, this.width / MAX_ZOOM), this.width);
    const scale = width / this.view.width;
    this.look(x - (x - this.view.x) * scale, y - (y - this.view.y) * scale, width);
  }

  showAll() {
    this.look(0, 0, this.width);
  }

  look(x, y, width) {
    const height = (width / this.width) * this.height;
    const inside = (value, room) => Math.min(Math.max(value, 0), Math.max(room, 0));
    this.view = { x: inside(x, this.width - width), y: inside(y, this.height - height), width, height };
    this.svg.setAttribute("viewBox", `${this.view.x} ${this.view.y} ${width} ${height}`);
    this.scaleMarks();
  }

  scaleMarks() {
    const radius = this.view.width / 45;
    for (const mark of this.svg.querySelectorAll(".mark")) {
      mark.querySelector("circle").setAttribute("r", radius);
      mark.querySelector("text").setAttribute("font-size", radius * 1.3);
    }
  }

  zoneAt(event) {
    const id = event.target.dataset?.zone;
    return id === undefined ? null : Number(id);
  }

  pick(event) {
    const id = this.zoneAt(event);
    if (id !== null && this.moved <= DRAG_PIXELS) this.onPick(id);
  }

  move(event) {
    // Fingers scroll the page, so that the map is no trap on a phone.
    if (event.buttons === 1 && event.pointerType === "mouse") {
      this.moved += Math.abs(event.movementX) + Math.abs(event.movementY);
      const perPixel = 1 / this.svg.getScreenCTM().a;
      this.look(this.view.x - event.movementX * perPixel, this.view.y - event.movementY * perPixel, this.view.width);
    }
    this.onHover(this.zoneAt(event));
  }

  turn(event) {
    event.preventDefault();
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    this.zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, place.x, place.y);
  }
}
