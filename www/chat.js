// The chat page: what is shown and typed. Text from people and from the model goes in by textContent only.

import { ChatError, Conversation, characters, maxCharacters, setKey } from "/conversation.js";
import { isEnglish, say } from "/language.js";

const byId = (id) => document.getElementById(id);
const scroller = byId("scroller");
const log = byId("log");
const input = byId("input");

let conversation = new Conversation();
/** The turn under way, or null. */
let running = null;

/** A new element with a class and, if given, a text. */
function element(tag, className, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

// --- Messages

function addMessage(author, text) {
  const message = element("li", `message ${author}`);
  const bubble = element("div", "bubble", text);
  message.append(bubble);
  log.append(message);
  return { message, bubble };
}

/** What a label means in English, which is its badge's class as well. */
const meanings = { "正面": "positive", "负面": "negative" };

function showLabel(badge, sentiment) {
  const share = Math.floor(Math.max(...sentiment.probs) * 100);
  const meaning = meanings[sentiment.label] ?? "";
  const words = isEnglish ? `${sentiment.label} ${meaning}` : sentiment.label;
  badge.className = `badge ${meaning}`;
  badge.textContent = `${words} ${share}%`;
  badge.setAttribute("aria-label", say(`情绪：${words}，把握 ${share}%`, `Mood: ${words}, ${share}% sure`));
}

/** Follows the newest words, unless the reader has scrolled up. */
function following(change) {
  const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;
  change();
  if (atEnd) scroller.scrollTop = scroller.scrollHeight;
}

/** A field for the API key and its button. */
function keyForm(retry) {
  const form = element("form", "key");
  const field = element("input", "");
  field.type = "password";
  field.required = true;
  field.autocomplete = "off";
  field.placeholder = say("API 密钥", "API key");
  field.setAttribute("aria-label", field.placeholder);
  form.append(field, element("button", "", say("使用", "Use it")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    setKey(field.value.trim());
    retry();
  });
  return form;
}

function retryButton(retry) {
  const button = element("button", "", say("重试", "Try again"));
  button.type = "button";
  button.addEventListener("click", retry);
  return button;
}

function showFailure(reply, text, needsKey, retry) {
  const box = element("div", "failure");
  box.setAttribute("role", "alert");
  box.append(element("span", "", text), needsKey ? keyForm(retry) : retryButton(retry));
  reply.bubble.hidden = reply.bubble.textContent === "";
  reply.message.append(box);
}

// --- One turn

async function ask(text) {
  if (running) return;
  byId("welcome").hidden = true;
  byId("restart").hidden = false;
  const asked = addMessage("user", text);
  const badge = element("span", "badge pending", say("识别情绪", "reading the mood"));
  asked.message.append(badge);
  const reply = addMessage("assistant", "");
  reply.message.classList.add("streaming");
  // Screen readers hear the finished reply once, not each piece.
  reply.message.setAttribute("aria-busy", "true");
  scroller.scrollTop = scroller.scrollHeight;

  const turn = { abort: new AbortController() };
  running = turn;
  refresh();
  try {
    const end = await conversation.send(text, {
      onLabel: (sentiment) => following(() => showLabel(badge, sentiment)),
      onText: (piece) => following(() => reply.bubble.append(piece)),
    }, turn.abort.signal);
    if (end === "aborted") {
      reply.bubble.hidden = reply.bubble.textContent === "";
      following(() => reply.message.append(element("span", "note", say("已停止", "Stopped"))));
    }
  } catch (error) {
    const words = error instanceof ChatError ? error.message : say("页面出错了，请重试。", "The page failed; please try again.");
    following(() => showFailure(reply, words, error.needsKey === true, () => {
      if (running) return;
      asked.message.remove();
      reply.message.remove();
      ask(text);
      input.focus();
    }));
  } finally {
    if (badge.classList.contains("pending")) badge.remove();
    reply.message.classList.remove("streaming");
    reply.message.removeAttribute("aria-busy");
    // A restarted conversation may have a newer turn.
    if (running === turn) running = null;
    refresh();
  }
}

// --- Composer

/** Brings the composer's height, buttons and counter up to date. */
function refresh() {
  const count = characters(input.value);
  const counter = byId("counter");
  counter.textContent = count >= maxCharacters * 0.8 ? `${count} / ${maxCharacters}` : "";
  counter.classList.toggle("over", count > maxCharacters);
  byId("send").disabled = input.value.trim() === "" || count > maxCharacters;
  byId("send").hidden = running !== null;
  byId("stop").hidden = running === null;
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight}px`;
}

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = input.value.trim();
  if (running || byId("send").disabled) return;
  input.value = "";
  ask(text);
});

input.addEventListener("input", refresh);
input.addEventListener("keydown", (event) => {
  // While an input method composes, Enter picks a candidate; Safari reports that Enter with code 229 only.
  const composing = event.isComposing || event.keyCode === 229;
  if (event.key === "Enter" && !event.shiftKey && !composing) {
    event.preventDefault();
    byId("composer").requestSubmit();
  }
});

function stop() {
  running?.abort.abort();
  input.focus();
}

byId("stop").addEventListener("click", stop);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running && !event.isComposing) stop();
});

byId("suggestions").addEventListener("click", (event) => {
  const suggestion = event.target.closest("button");
  if (!suggestion) return;
  ask(suggestion.textContent);
  input.focus();
});

byId("restart").addEventListener("click", () => {
  running?.abort.abort();
  running = null;
  conversation = new Conversation();
  log.replaceChildren();
  byId("welcome").hidden = false;
  byId("restart").hidden = true;
  refresh();
  input.focus();
});

refresh();
