// Loaded before anything is painted. Light or dark follows the system until a person chooses otherwise.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  // A browser may refuse its storage; the page then follows the system.
  const storage = (use) => {
    try {
      return use(localStorage);
    } catch {
      return null;
    }
  };
  const chosen = () => {
    const theme = storage((kept) => kept.getItem("theme"));
    return theme === "light" || theme === "dark" ? theme : null;
  };
  const current = () => root.dataset.theme ?? (system.matches ? "dark" : "light");
  const show = (theme) => (theme ? (root.dataset.theme = theme) : delete root.dataset.theme);

  show(chosen());
  // The chat page leaves room for a conversation that is about to come back.
  if (storage((kept) => kept.getItem("conversation"))) root.dataset.conversation = "kept";

  addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector(".theme-switch");
    const name = () => button.setAttribute("aria-pressed", String(current() === "dark"));
    button.addEventListener("click", () => {
      const next = current() === "dark" ? "light" : "dark";
      const own = next !== (system.matches ? "dark" : "light");
      storage((kept) => (own ? kept.setItem("theme", next) : kept.removeItem("theme")));
      show(own ? next : null);
      name();
    });
    system.addEventListener("change", name);
    name();
  });
})();
