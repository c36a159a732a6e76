// Server-sent events from a fetch body (WHATWG HTML, section 9.2): EventSource cannot POST.

/** Most characters one event may have; a server that sends more is not ours. */
const maxEventLength = 1 << 20;

/**
 * Yields the data of each event. Chunks may end anywhere, also inside a character or a line end.
 * @param {ReadableStream<Uint8Array>} stream
 * @returns {AsyncGenerator<string>}
 */
export async function* events(stream) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let data = [];
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop();
      if (rest.length > maxEventLength) throw new Error("event too long");
      for (const ended of lines) {
        const line = ended.endsWith("\r") ? ended.slice(0, -1) : ended;
        if (line === "") {
          if (data.length > 0) yield data.join("\n");
          data = [];
        } else if (line.startsWith("data:")) {
          data.push(line.slice(line.startsWith("data: ") ? 6 : 5));
        }
      }
    }
  } finally {
    // The caller may stop early; the connection must not stay open then.
    await reader.cancel().catch(() => {});
  }
}
