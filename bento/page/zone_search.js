// A field that finds a zone by its name, borough or id, by mouse or keyboard (the combobox pattern of WAI-ARIA).

const MAX_SHOWN = 8;

const plain = (text) => text.normalize("NFD").replace(/\p{Diacritic}/gu, "").toLowerCase().trim();

export function findZones(zones, typed) {
  const words = plain(typed).split(/[\s,]+/).filter(Boolean);
  const ranked = [];
  for (const zone of zones) {
    const name = plain(zone.name);
    const text = `${name} ${plain(zone.borough)}`;
    if (words.join("") !== String(zone.id) && !words.every((word) => text.includes(word))) continue;
    const starts = name.startsWith(words[0] ?? "");
    const isWordStart = words.every((word) => text.split(/[\s/-]+/).some((part) => part.startsWith(word)));
    ranked.push({ zone, rank: (starts ? 0 : 2) + (isWordStart ? 0 : 1) });
  }
  ranked.sort((one, other) => one.rank - other.rank || one.zone.name.localeCompare(other.zone.name));
  return ranked.map(({ zone }) => zone);
}

export class ZoneSearch {
  constructor(input, list, zones, { onChoose, onPick, onFocus }) {
    Object.assign(this, { input, list, zones, onChoose, onPick, zone: null, found: [], active: -1 });
    input.addEventListener("input", () => this.open());
    input.addEventListener("focus", () => { onFocus(); input.select(); });
    input.addEventListener("blur", () => this.leave());
    input.addEventListener("keydown", (event) => this.press(event));
    // Not click: the field would lose the focus before and close the list.
    list.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const option = event.target.closest("[role=option]");
      if (option?.dataset.index) this.pick(this.found[Number(option.dataset.index)]);
    });
  }

  show(zone) {
    this.zone = zone;
    this.input.value = zone ? zone.name : "";
    this.close();
  }

  open() {
    this.found = findZones(this.zones, this.input.value).slice(0, MAX_SHOWN);
    this.active = this.found.length ? 0 : -1;
    this.list.replaceChildren(...this.found.map((zone, index) => this.option(zone, index)));
    if (!this.found.length) this.list.append(this.nothing());
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.markActive();
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  leave() {
    this.close();
    if (!this.input.value.trim() && this.zone) this.choose(null);
    else this.input.value = this.zone ? this.zone.name : "";
  }

  choose(zone) {
    this.show(zone);
    this.onChoose(zone);
  }

  // From the list, so the focus is here; a field that is left empty must not take it back.
  pick(zone) {
    this.choose(zone);
    this.input.select(); // what is typed next is another zone
    this.onPick();
  }

  press(event) {
    const isOpen = !this.list.hidden;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      if (!isOpen) this.open();
      else if (this.found.length) this.active = (this.active + step + this.found.length) % this.found.length;
      this.markActive();
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (isOpen && this.active >= 0) this.pick(this.found[this.active]);
    } else if (event.key === "Escape" && isOpen) {
      this.input.value = this.zone ? this.zone.name : "";
      this.close();
    }
  }

  option(zone, index) {
    const option = document.createElement("li");
    Object.assign(option, { id: `${this.input.id}-${zone.id}`, textContent: zone.name });
    option.setAttribute("role", "option");
    option.dataset.index = index;
    const borough = document.createElement("small");
    borough.textContent = `${zone.borough} · ${zone.id}`;
    option.append(" ", borough);
    return option;
  }

  nothing() {
    const none = document.createElement("li");
    none.textContent = "No zone has this name";
    none.setAttribute("role", "option");
    none.setAttribute("aria-disabled", "true");
    return none;
  }

  markActive() {
    this.input.removeAttribute("aria-activedescendant");
    for (const option of this.list.children) {
      const isActive = Number(option.dataset.index) === this.active;
      option.setAttribute("aria-selected", String(isActive));
      if (isActive) {
        this.input.setAttribute("aria-activedescendant", option.id);
        option.scrollIntoView({ block: "nearest" });
      }
    }
  }
}
