// Questions like the one being typed, in a list under the box, to choose from by key or pointer.

import { post } from "./service.js";

const PAUSE_MILLISECONDS = 120;
const LONGEST_TYPED = 80;

export class Typeahead {
  /** `choose(text)` is called with what a person picks. */
  constructor(area, list, status, choose) {
    this.area = area;
    this.list = list;
    this.status = status;
    this.choose = choose;
    this.area.addEventListener("input", () => this.#typed());
    this.area.addEventListener("blur", () => this.close());
    // Before the box loses the focus, which would close the list.
    this.list.addEventListener("pointerdown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => this.#pick(event.target.closest("[role=option]")));
  }

  get isOpen() {
    return !this.list.hidden;
  }

  get #active() {
    return this.list.querySelector("[aria-selected=true]");
  }

  /** Whether the key was for the list. */
  takes(event) {
    if (!this.isOpen) return false;
    if (event.key === "Escape") this.close();
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") this.#move(event.key === "ArrowDown" ? 1 : -1);
    else if (event.key === "Enter" && !event.shiftKey && this.#active) this.#pick(this.#active);
    else return false;
    return true;
  }

  /** Closes the list, and lets no answer that is still on its way open it again. */
  close() {
    clearTimeout(this.pause);
    this.asking?.abort();
    if (!this.isOpen) return;
    this.list.hidden = true;
    this.list.replaceChildren();
    this.area.removeAttribute("aria-activedescendant");
    this.status.textContent = "";
  }

  #typed() {
    clearTimeout(this.pause);
    this.asking?.abort();
    const typed = this.area.value.trim();
    if (!typed || typed.length > LONGEST_TYPED || typed.includes("\n")) return this.close();
    this.pause = setTimeout(() => this.#fetch(typed), PAUSE_MILLISECONDS);
  }

  async #fetch(typed) {
    this.asking = new AbortController();
    const { signal } = this.asking;
    try {
      const response = await post("/suggest", [["q", typed]], signal);
      const offers = await response.json();
      if (!signal.aborted) this.#show(offers);
    } catch {
      if (!signal.aborted) this.close(); // a comfort: without it people type on
    }
  }

  #show(offers) {
    this.close();
    if (!offers.length) return;
    this.list.replaceChildren(...offers.map(option));
    this.list.hidden = false;
    this.status.textContent = `${offers.length} questions like this; choose with the arrow keys`;
  }

  #move(step) {
    const options = [...this.list.children];
    const from = options.indexOf(this.#active);
    // One place more than there are options: there, the box itself is active again.
    const place = ((from < 0 ? options.length : from) + step + options.length + 1) % (options.length + 1);
    for (const [number, element] of options.entries()) element.setAttribute("aria-selected", number === place);
    const active = options[place];
    if (!active) return this.area.removeAttribute("aria-activedescendant");
    this.area.setAttribute("aria-activedescendant", active.id);
    active.scrollIntoView({ block: "nearest" });
  }

  #pick(element) {
    if (!element) return;
    const text = element.querySelector(".text").textContent;
    this.close();
    this.choose(text);
  }
}

function option(offer, number) {
  const item = document.createElement("li");
  item.id = `offer-${number}`;
  item.setAttribute("role", "option");
  item.setAttribute("aria-selected", "false");
  const [text, kind] = [document.createElement("span"), document.createElement("span")];
  text.className = "text";
  text.textContent = offer.text;
  kind.className = "kind";
  kind.textContent = offer.is_title ? offer.category : "";
  item.append(text, kind);
  return item;
}
