// The page works without this script; with it an answer arrives without a reload, and code can be copied.

import { addCopyButtons } from "./copy_code.js";

const form = document.querySelector("#ask");
const conversation = document.querySelector("#conversation");

function remember(question) {
  const input = document.createElement("input");
  input.type = "hidden";
  input.name = "history";
  input.value = question;
  // Oldest first, as the page itself writes them.
  form.querySelector("label").before(input);
  const earlier = form.querySelectorAll("input[name=history]");
  if (earlier.length > 10) earlier[0].remove();
}

function notice(text) {
  const paragraph = document.createElement("p");
  paragraph.className = "notice";
  paragraph.setAttribute("role", "alert");
  paragraph.textContent = text;
  return paragraph;
}

async function fetchAnswer() {
  const unreachable = () => { throw new Error("The service cannot be reached."); };
  const response = await fetch("/answer", { method: "POST", body: new FormData(form) }).catch(unreachable);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const turn = page.querySelector(".turn");
  if (!turn) throw new Error(page.querySelector("main p")?.textContent ?? `Status ${response.status}.`);
  return [response.ok, turn];
}

async function ask(event) {
  event.preventDefault();
  const box = form.elements.question;
  const asked = box.value;
  const button = form.querySelector("button[type=submit]");
  if (button.disabled) return; // asked already, by a second Enter
  button.disabled = true;
  for (const old of conversation.querySelectorAll("[role=alert]")) (old.closest(".turn") ?? old).remove();
  try {
    const [answered, turn] = await fetchAnswer();
    addCopyButtons(turn);
    conversation.append(turn);
    if (answered) {
      // As it came back: without secrets, which may have made it longer than what may be sent.
      remember(turn.querySelector(".question").textContent.slice(0, asked.length));
      if (box.value === asked) box.value = "";
    }
    turn.scrollIntoView({ block: "start" });
  } catch (error) {
    conversation.append(notice(`No answer came. ${error.message} Your question is still in the box.`));
  } finally {
    button.disabled = false;
    box.focus({ preventScroll: true });
  }
}

addCopyButtons(document);
if (form) {
  form.addEventListener("submit", ask);
  form.elements.question.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
}
