// The table of contents, filtered while it is typed. Finds what app/listing.py finds.

const WORD = /[\p{L}\p{N}_]+/gu;
const input = document.querySelector("#filter");
const found = document.querySelector("#found");
const nothing = document.querySelector(".nothing");
const words = (text) => text.toLowerCase().match(WORD) ?? [];

const sections = [...document.querySelectorAll(".contents")].map((element) => {
  const category = element.querySelector("h2").textContent;
  const rows = [...element.querySelectorAll("li")];
  const entry = document.querySelector(`.jump a[href="#${element.getAttribute("aria-labelledby")}"]`).parentElement;
  return { element, entry, rows: rows.map((row) => ({ element: row, words: words(`${row.textContent} ${category}`) })) };
});
const total = sections.flatMap((section) => section.rows).length;

function filter() {
  const typed = words(input.value);
  let left = 0;
  for (const { element, entry, rows } of sections) {
    for (const row of rows) {
      row.element.hidden = !typed.every((start) => row.words.some((word) => word.startsWith(start)));
    }
    const here = rows.filter((row) => !row.element.hidden).length;
    element.hidden = entry.hidden = !here;
    entry.querySelector(".count").textContent = here;
    left += here;
  }
  show(left, input.value.trim());
}

function show(left, text) {
  found.textContent = text && `${left} of ${total}`;
  nothing.hidden = left > 0;
  const button = nothing.querySelector("button");
  button.value = text;
  button.textContent = `Ask “${text}”`;
  history.replaceState(null, "", text ? `?q=${encodeURIComponent(text)}` : location.pathname + location.hash);
}

input.addEventListener("input", filter);
input.form.addEventListener("submit", (event) => event.preventDefault());
input.addEventListener("keydown", ({ key }) => {
  const first = document.querySelector(".contents:not([hidden]) li:not([hidden]) a");
  if (key === "Enter" && input.value.trim() && first) first.focus();
});
// What a browser puts back into the box by itself, on the way back to this page.
addEventListener("pageshow", filter);
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input, textarea, select")) return;
  event.preventDefault();
  input.focus();
});
