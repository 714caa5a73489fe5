// The page works without this script. With it answers arrive without a reload, and the conversation is kept.

import { AskBox } from "./ask_box.js";
import { Conversation } from "./conversation.js";
import { fetchTurns } from "./service.js";
import { Typeahead } from "./typeahead.js";
import { choose, copy, copyLink, fail, focusReply, pendingTurn, sendFeedback, summary } from "./turn.js";

const form = document.querySelector("#ask");
const status = document.querySelector("#status");
const conversation = new Conversation(document.querySelector("#conversation"));
const typeahead = new Typeahead(form.elements.question, form.querySelector("#offers"), status, (text) => {
  box.text = text;
  form.requestSubmit();
});
const box = new AskBox(form, typeahead, () => conversation.history.at(-1));
let isAsking = false;

/** Asks in the conversation. While an answer is on its way no second one is asked for. */
function ask(text, { history = conversation.history, category = form.elements.category.value } = {}) {
  if (isAsking) return;
  const turn = pendingTurn(text);
  conversation.add(turn);
  if (box.text.trim() === text.trim()) box.text = "";
  typeahead.close();
  answerIn(turn, text, [["question", text], ["category", category], ...history.map((said) => ["history", said])]);
}

async function answerIn(turn, text, fields) {
  isAsking = true;
  form.toggleAttribute("data-busy", true);
  turn.scrollIntoView({ block: "start" });
  try {
    const [answered] = await fetchTurns("/answer", fields);
    conversation.settle(turn, answered);
    arrive(answered);
  } catch (failure) {
    const retry = () => {
      const again = pendingTurn(text);
      turn.replaceWith(again);
      answerIn(again, text, fields);
    };
    const edit = () => {
      turn.remove();
      box.text = text;
      box.focus();
    };
    fail(turn, failure, retry, edit);
    status.textContent = `No answer came. ${failure.message}`;
  } finally {
    isAsking = false;
    form.toggleAttribute("data-busy", false);
  }
}

/** Leads eyes and ears to a reply, unless the next question is being typed already. */
function arrive(turn) {
  turn.scrollIntoView({ block: "start" });
  status.textContent = summary(turn);
  if (!box.text) focusReply(turn);
}

async function submitted(event) {
  const { target, submitter } = event;
  event.preventDefault();
  if (target === form) return ask(box.text);
  if (target.matches(".examples")) return ask(submitter.value);
  if (target.matches(".feedback")) return sendFeedback(target, submitter);
  const turn = target.closest(".turn");
  try {
    const chosen = await choose(turn, submitter);
    conversation.settle(turn, chosen);
    arrive(chosen);
  } catch (failure) {
    target.querySelector(".told").textContent = `Nothing came. ${failure.message}`;
  }
}

function clicked({ target }) {
  if (target.matches(".copy-link")) copyLink(target.closest(".turn"), target);
  if (target.matches("#copy-conversation")) copy(conversation.markdown(), target);
  if (target.matches("#clear")) {
    conversation.clear();
    document.querySelector(".undo").hidden = false;
    box.focus();
  }
  if (target.matches("#undo")) conversation.undo();
  if (target.matches("#undo, #clear")) return;
  document.querySelector(".undo").hidden ||= true;
}

/** Asks the question that a shared link carries, by itself: who shared it had another conversation. */
function askFromLink() {
  const shared = new URLSearchParams(location.hash.slice(1));
  const text = shared.get("q")?.trim();
  if (!text) return;
  // A reload does not ask again.
  history.replaceState(null, "", location.pathname);
  ask(text, { history: [], category: shared.get("category") ?? "" });
}

document.querySelector("#main").addEventListener("submit", submitted);
document.querySelector("#main").addEventListener("click", clicked);
addEventListener("hashchange", askFromLink);
conversation
  .restore()
  .catch((failure) => (status.textContent = failure.message))
  .finally(() => {
    delete document.documentElement.dataset.conversation;
    askFromLink();
  });
