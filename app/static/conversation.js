// The conversation: its turns on the page, and the copy of it that only this browser keeps.

import { addCopyButtons } from "./copy_code.js";
import { fetchTurns, post } from "./service.js";
import { kept, question } from "./turn.js";

const KEY = "conversation";
// As many as the service shows again: MAX_KEPT_TURNS in app/turns.py.
const MAX_KEPT = 30;
// All of them travel in one request, within the limit for bodies of requests.
const MAX_KEPT_BYTES = 150_000;
// As many earlier questions as one may bring: MAX_HISTORY in app/assistant.py.
const MAX_HISTORY = 10;

export class Conversation {
  constructor(element) {
    this.element = element;
    this.cleared = [];
  }

  /** The turns that have a reply. */
  get #replied() {
    return [...this.element.querySelectorAll(".turn[data-turn]")];
  }

  /** The questions that a follow-up is read after, oldest first. */
  get history() {
    return this.#replied.map(question).slice(-MAX_HISTORY);
  }

  add(turn) {
    this.element.append(turn);
  }

  /** Puts a turn with a reply in the place of `old`. */
  settle(old, turn) {
    addCopyButtons(turn);
    old.replaceWith(turn);
    this.#keep();
  }

  /** Shows what this browser kept, if anything. Rejects with a Failure. */
  async restore() {
    const texts = read();
    if (!texts.length) return;
    try {
      const turns = await fetchTurns("/conversation", texts.map((text) => ["turn", text]));
      for (const turn of turns) addCopyButtons(turn);
      this.element.prepend(...turns);
      this.#keep();
    } catch (failure) {
      if (failure.status === 422) write([]); // written by another version, or damaged
      throw failure;
    }
  }

  clear() {
    this.cleared = [...this.element.children];
    this.element.replaceChildren();
    this.#keep();
  }

  undo() {
    this.element.prepend(...this.cleared);
    this.cleared = [];
    this.#keep();
  }

  /** Its newest turns, in the form in which they are kept. */
  get #newest() {
    const texts = this.#replied.map(kept).slice(-MAX_KEPT);
    while (texts.length > 1 && encodedBytes(texts) > MAX_KEPT_BYTES) texts.shift();
    return texts;
  }

  /** It as Markdown. Rejects with a Failure. */
  async markdown() {
    const response = await post("/conversation.md", this.#newest.map((text) => ["turn", text]));
    return response.text();
  }

  #keep() {
    write(this.#newest);
  }
}

const encodedBytes = (texts) => encodeURIComponent(texts.join("")).length;

function read() {
  try {
    const texts = JSON.parse(localStorage.getItem(KEY)) ?? [];
    return Array.isArray(texts) ? texts : [];
  } catch {
    return []; // no storage here, or nothing that was written by this page
  }
}

function write(texts) {
  try {
    if (texts.length) localStorage.setItem(KEY, JSON.stringify(texts));
    else localStorage.removeItem(KEY);
  } catch {
    // No storage here, or it is full: the conversation lasts as long as the page.
  }
  // The page was laid out for a conversation about to come back; from here on, its turns tell.
  delete document.documentElement.dataset.conversation;
}
