// The box in which a question is typed: its size, its limit and its keys.

// From this part of the limit on, the characters left are shown.
const NEARLY_FULL = 0.8;

/** Counted like the service does: an emoji is one character. */
const length = (text) => [...text].length;

export class AskBox {
  /**
   * `typeahead` may take a key before the box does, `lastQuestion()` is what ArrowUp brings back.
   */
  constructor(form, typeahead, lastQuestion) {
    this.form = form;
    this.area = form.elements.question;
    this.counter = form.querySelector("#counter");
    this.maxChars = Number(this.area.dataset.maxChars);
    this.typeahead = typeahead;
    this.lastQuestion = lastQuestion;
    this.area.addEventListener("input", () => this.#changed());
    this.area.addEventListener("keydown", (event) => this.#pressed(event));
    document.addEventListener("keydown", (event) => this.#pressedAnywhere(event));
    this.#changed();
  }

  get text() {
    return this.area.value;
  }

  set text(value) {
    this.area.value = value;
    this.area.setSelectionRange(value.length, value.length);
    this.#changed();
  }

  focus() {
    this.area.focus({ preventScroll: true });
  }

  #changed() {
    const left = this.maxChars - length(this.text);
    const tooMany = left < 0 ? `${-left} characters too many: shorten it` : "";
    this.area.setCustomValidity(tooMany);
    this.counter.value = tooMany || (left <= this.maxChars * (1 - NEARLY_FULL) ? `${left} characters left` : "");
    this.counter.classList.toggle("over", left < 0);
    if (CSS.supports("field-sizing", "content")) return; // the style sheet lets it grow
    this.area.style.height = "auto";
    this.area.style.height = `${this.area.scrollHeight}px`;
  }

  #pressed(event) {
    if (event.isComposing) return;
    if (this.typeahead.takes(event)) return event.preventDefault();
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      // Blanks alone are no question; the browser says so of an empty box.
      if (!this.text.trim()) this.text = "";
      this.form.requestSubmit();
    } else if (event.key === "ArrowUp" && !this.text && this.lastQuestion()) {
      event.preventDefault();
      this.text = this.lastQuestion();
    } else if (event.key === "Escape") {
      this.text = "";
    }
  }

  #pressedAnywhere(event) {
    const writes = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || writes || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.focus();
  }
}
