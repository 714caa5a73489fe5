// On a scenario's page, its contents tell what is being read.

const links = [...document.querySelectorAll(".outline a")];
const targets = links.map((link) => document.querySelector(link.hash));
// A part is being read from when it has come up to the upper third.
const LINE = 1 / 3;
let isDue = false;

function mark() {
  isDue = false;
  const current = targets.findLastIndex((target) => target.getBoundingClientRect().top < innerHeight * LINE);
  for (const [place, link] of links.entries()) {
    if (place === current) link.setAttribute("aria-current", "location");
    else link.removeAttribute("aria-current");
  }
}

/** Keeps the mark where the reader is. */
export function followReader() {
  addEventListener("scroll", () => {
    if (!isDue) requestAnimationFrame(mark);
    isDue = true;
  });
  mark();
}
