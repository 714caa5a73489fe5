// The page works without this script; with it an answer arrives without a reload, and code can be copied.

const form = document.querySelector("#ask");
const conversation = document.querySelector("#conversation");

function addCopyButtons(root) {
  for (const figure of root.querySelectorAll("figure.code")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(figure.querySelector("code").textContent);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
    figure.append(button);
  }
}

function remember(question) {
  const input = document.createElement("input");
  input.type = "hidden";
  input.name = "history";
  input.value = question;
  form.prepend(input);
  const earlier = form.querySelectorAll("input[name=history]");
  if (earlier.length > 10) earlier[earlier.length - 1].remove();
}

function notice(text) {
  const paragraph = document.createElement("p");
  paragraph.className = "notice";
  paragraph.setAttribute("role", "alert");
  paragraph.textContent = text;
  return paragraph;
}

async function ask(event) {
  event.preventDefault();
  const box = form.elements.question;
  const question = box.value;
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  try {
    const response = await fetch("/answer", { method: "POST", body: new FormData(form) });
    const turn = document.createRange().createContextualFragment(await response.text()).querySelector(".turn");
    if (!turn) throw new Error(`the service answered ${response.status}`);
    addCopyButtons(turn);
    conversation.append(turn);
    if (response.ok) {
      remember(question);
      box.value = "";
    }
    turn.scrollIntoView({ block: "start" });
  } catch (error) {
    conversation.append(notice(`No answer came: ${error.message}. Your question is still in the box; try again.`));
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
