// One turn of the conversation: the question, and the reply, its progress or its failure.

import { fetchTurns, post } from "./service.js";

const SHOWN_MILLISECONDS = 2500;

/** What the service gave the browser to keep of it; nothing for a turn without a reply. */
export const kept = (turn) => turn.dataset.turn;

/** The question as the service returned it: without secrets. */
export function question(turn) {
  return JSON.parse(turn.dataset.turn).question;
}

/** A turn that waits for its reply. */
export function pendingTurn(text) {
  const turn = document.querySelector("#pending").content.firstElementChild.cloneNode(true);
  turn.querySelector(".question p").textContent = text;
  return turn;
}

/** Says in the turn why no reply came. `retry` and `edit` are what its buttons do. */
export function fail(turn, failure, retry, edit) {
  const told = document.querySelector("#failed").content.firstElementChild.cloneNode(true);
  told.querySelector("p").textContent = failure.message;
  const [again, change] = told.querySelectorAll("button");
  again.hidden = !failure.mayPass;
  again.addEventListener("click", retry);
  change.addEventListener("click", edit);
  turn.querySelector(".reply").replaceChildren(told);
  turn.classList.add("failed");
}

/** For a reader who does not see: what came. */
export function summary(turn) {
  const words = [turn.querySelector(".reply h2"), turn.querySelector(".confidence")];
  return words.map((element) => element?.textContent.trim()).filter(Boolean).join(". ");
}

/** Where reading begins, for keyboard and screen reader. */
export function focusReply(turn) {
  const heading = turn.querySelector(".reply h2");
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

export async function copyLink(turn, button) {
  const { question, category } = JSON.parse(turn.dataset.turn);
  // Behind the '#', which browsers send to no server: a question belongs in nobody's access log.
  const fragment = new URLSearchParams({ q: question, ...(category && { category }) });
  await copy(`${location.origin}/#${fragment}`, button);
}

/** Copies `text`, a string or a promise of one, and says on `button` whether it did. */
export async function copy(text, button) {
  const label = button.textContent;
  button.textContent = await write(text).then(() => "Copied", () => "Not copied");
  setTimeout(() => (button.textContent = label), SHOWN_MILLISECONDS);
}

/** Begins while the press of the button still counts as leave to do so, whatever the text has to wait for. */
async function write(text) {
  const blob = Promise.resolve(text).then((ready) => new Blob([ready], { type: "text/plain" }));
  await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
}

/** The turn with the scenario that `button` stands for as its answer. Rejects with a Failure. */
export async function choose(turn, button) {
  const fields = [["turn", kept(turn)], ["scenario_id", button.value]];
  const [chosen] = await fetchTurns("/answer/choice", fields);
  return chosen;
}

/** Sends what a person thinks of the answer, and asks for a word more. */
export async function sendFeedback(form, button) {
  const thanks = form.querySelector(".thanks");
  const fields = [...new FormData(form), ["helpful", button.value]];
  try {
    await post("/feedback", fields);
  } catch (failure) {
    thanks.textContent = `Not sent. ${failure.message}`;
    return;
  }
  thanks.textContent = "Thank you.";
  for (const other of form.querySelectorAll("fieldset [name=helpful]")) {
    other.setAttribute("aria-pressed", String(other.value === button.value));
  }
  const details = form.querySelector("details");
  const send = details.querySelector(".send");
  // The first press says whether it helped, the second sends the word about it.
  const isWhole = button.closest("details") !== null;
  if (send) [send.hidden, send.value] = [false, button.value];
  details.open = !isWhole;
  details.hidden = isWhole;
}
