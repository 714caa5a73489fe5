// A copy button on each block of code.

const SHOWN_MILLISECONDS = 2000;

function copyButton(figure) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  const title = figure.querySelector("figcaption")?.textContent;
  if (title) button.setAttribute("aria-description", title);
  button.addEventListener("click", async () => {
    const copying = navigator.clipboard.writeText(figure.querySelector("code").textContent);
    button.textContent = await copying.then(() => "Copied", () => "Not copied");
    setTimeout(() => (button.textContent = "Copy"), SHOWN_MILLISECONDS);
  });
  return button;
}

/** Gives every figure of code inside `root` its button; browsers offer the clipboard to https and localhost alone. */
export function addCopyButtons(root) {
  if (!navigator.clipboard) return;
  // Before the code, as it is seen: whoever comes by keyboard need not pass the code first.
  for (const figure of root.querySelectorAll("figure.code")) figure.querySelector("pre").before(copyButton(figure));
}
