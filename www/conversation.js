// What is said to the server: the conversation so far, one streamed turn at a time.

import { say } from "/language.js";
import { events } from "/sse.js";

/** The chat role's limit for one message, in characters as people count them. */
export const maxCharacters = 2000;

/** Earlier messages sent along; the server drops more if its context is shorter. */
const maxHistory = 20;

const segmenter = "Segmenter" in Intl ? new Intl.Segmenter("zh", { granularity: "grapheme" }) : null;

/** Characters as the server counts them (grapheme clusters). */
export function characters(text) {
  // Code units are never fewer than graphemes: only a long text needs the exact count.
  if (text.length < maxCharacters * 0.8) return text.length;
  return segmenter ? [...segmenter.segment(text)].length : [...text].length;
}

/** Where this tab keeps the API key, if the server asks for one: until the tab is closed. */
const keyItem = "api-key";

export function setKey(key) {
  sessionStorage.setItem(keyItem, key);
}

function authorization() {
  const key = sessionStorage.getItem(keyItem);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** What went wrong, in words for the person at the screen. */
export class ChatError extends Error {
  /** An API key is missing or wrong. */
  needsKey = false;
}

function keyError() {
  const hasKey = sessionStorage.getItem(keyItem) !== null;
  const error = new ChatError(hasKey
    ? say("这个密钥不对，请检查后再试。", "This API key is not accepted; please check it and try again.")
    : say("这里需要 API 密钥。", "An API key is needed here."));
  error.needsKey = true;
  return error;
}

async function httpError(response) {
  const body = await response.json().catch(() => null);
  const detail = body?.error?.message ?? `HTTP ${response.status}`;
  switch (response.status) {
    case 401: return keyError();
    case 413: return new ChatError(say("对话太长了，请开始新对话再试。", "The conversation is too long; please start a new one."));
    case 429: return new ChatError(say("现在有点忙，请稍等片刻再试。", "It is busy right now; please wait a moment and try again."));
    case 502: case 503: case 504:
      return new ChatError(say("模型正在启动或很忙，请稍后再试。", "The model is starting or busy; please try again soon."));
    default: return new ChatError(say(`这条消息没能处理：${detail}`, `This message was not accepted: ${detail}`));
  }
}

export class Conversation {
  #messages = [];
  /** Nobody else's requests may show what this conversation left in the server's prefix cache. */
  #salt = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

  /**
   * Sends a user message and streams the reply. On success both are remembered; after an abort, the part that came is.
   * @param {string} text
   * @param {{onLabel: (sentiment: object) => void, onText: (piece: string) => void}} handlers
   * @param {AbortSignal} signal
   * @returns {Promise<"stop" | "length" | "aborted">}
   * @throws {ChatError}
   */
  async send(text, { onLabel, onText }, signal) {
    const asked = { role: "user", content: text };
    let reply = "";
    let end = null;
    try {
      for await (const chunk of this.#chunks([...this.#messages.slice(-maxHistory), asked], signal)) {
        if (chunk.error) throw new ChatError(say("回复中断了：", "The reply broke off: ") + chunk.error.message);
        if (chunk.labels?.sentiment) onLabel(chunk.labels.sentiment);
        const choice = chunk.choices?.[0];
        if (choice?.delta?.content) {
          reply += choice.delta.content;
          onText(choice.delta.content);
        }
        end = choice?.finish_reason ?? end;
      }
    } catch (error) {
      if (!signal.aborted) {
        const lost = say("连接断开了，请检查网络后重试。", "The connection was lost; please check the network and try again.");
        throw error instanceof ChatError ? error : new ChatError(lost);
      }
      end = "aborted";
    }
    if (end === null) throw new ChatError(say("回复没有收完，请重试。", "The reply did not arrive in full; please try again."));
    if (reply !== "") this.#messages.push(asked, { role: "assistant", content: reply });
    return end;
  }

  async *#chunks(messages, signal) {
    const response = await fetch("/v1/chat/completions", {
      method: "POST",
      headers: { "Content-Type": "application/json", ...authorization() },
      body: JSON.stringify({ model: "chat", stream: true, cache_salt: this.#salt, messages }),
      signal,
    });
    if (!response.ok) throw await httpError(response);
    for await (const data of events(response.body)) {
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
  }
}
