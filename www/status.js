// The status page: reads /status.json every few seconds while it is looked at, and draws it.

import { MemoryChart } from "/chart.js";
import { bytes, count, seconds, uptime } from "/format.js";

const period = 3000;
const byId = (id) => document.getElementById(id);
const chart = new MemoryChart(byId("chart"));

const states = {
  ready: ["运行正常", "good"],
  loading: ["正在加载模型", ""],
  draining: ["正在退出", ""],
  stuck: ["引擎没有响应", "bad"],
};

function showState([text, className]) {
  // Unchanged text is left alone: a screen reader would say it again each time.
  if (byId("state").textContent !== text) byId("state").textContent = text;
  byId("state").className = `state ${className}`;
}

function element(tag, text = "", className = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  node.className = className;
  return node;
}

/** A large figure with a small unit behind it. */
function figure(id, value, unit = "") {
  byId(id).replaceChildren(String(value), ...(unit ? [element("span", ` ${unit}`, "unit")] : []));
}

function showMemory(memory) {
  figure("resident", ...bytes(memory.resident_bytes, 1));
  const peak = bytes(memory.peak_resident_bytes, 1).join(" ");
  const budget = memory.budget_bytes > 0 ? `，启动时算出的上限 ${bytes(memory.budget_bytes, 1).join(" ")}` : "";
  byId("resident-detail").textContent = `峰值 ${peak}${budget}`;
  const now = { time: Date.now() / 1000, bytes: memory.resident_bytes };
  const history = memory.history.map((sample) => ({ time: sample.time, bytes: sample.resident_bytes }));
  chart.show([...history, now], memory.budget_bytes);
}

function showRequests(roles) {
  const outcomes = { success: 0, client_error: 0, rejected: 0, cancelled: 0, failed: 0 };
  for (const { requests } of Object.values(roles)) {
    for (const [outcome, number] of Object.entries(requests)) outcomes[outcome] += number;
  }
  figure("requests", count(outcomes.success), "成功");
  const others = [
    ["请求有误", outcomes.client_error], ["拒绝", outcomes.rejected],
    ["取消", outcomes.cancelled], ["失败", outcomes.failed],
  ].filter(([, number]) => number > 0);
  byId("requests-detail").textContent = others.map(([name, number]) => `${name} ${count(number)}`).join(" · ") || "没有出错";
}

function showEngine(engine) {
  if (!engine) return;
  figure("running", engine.running, `/ ${engine.max_sequences}`);
  byId("running-detail").textContent = `排队 ${engine.waiting} / ${engine.queue_limit}`;
  const busy = new Set(engine.sequences.map((sequence) => sequence.slot));
  byId("slots").replaceChildren(
    ...Array.from({ length: engine.max_sequences }, (_, slot) => element("span", "", busy.has(slot) ? "busy" : "")),
  );
  const { used, pinned, total } = engine.kv_blocks;
  const share = total > 0 ? (used / total) * 100 : 0;
  figure("cache", share.toFixed(share < 10 ? 1 : 0), "%");
  byId("cache-detail").textContent = `${used} / ${total} 块，角色常驻 ${pinned}`;
  byId("cache-bar").style.width = `${share}%`;
}

function showTokens(tokens) {
  figure("tokens", count(tokens.generated), "生成");
  const share = tokens.prompt > 0 ? Math.round((tokens.cached / tokens.prompt) * 100) : 0;
  byId("tokens-detail").textContent = `输入 ${count(tokens.prompt)}，缓存命中 ${share}%`;
}

function latencyRow(name, summary) {
  const row = element("tr");
  const head = element("th", name);
  head.scope = "row";
  const values = ["p50", "p90", "p99"].map((quantile) => seconds(summary[quantile]).join(" "));
  row.append(head, ...[count(summary.count), ...values].map((text) => element("td", text)));
  return row;
}

function showLatency(status) {
  const phases = status.latency_seconds;
  const rows = [
    ...Object.entries(status.roles).map(([role, { latency_seconds }]) => [`${role} 整个请求`, latency_seconds]),
    ["首个词元", phases.time_to_first_token],
    ["词元间隔", phases.inter_token],
    ["排队", phases.queue],
    ["读入提示", phases.prefill],
    ["生成", phases.decode],
  ].filter(([, summary]) => summary.count > 0);
  byId("latency").replaceChildren(...rows.map(([name, summary]) => latencyRow(name, summary)));
}

function showFacts({ build, model, workers }) {
  const facts = [["版本", `${build.name} ${build.version}`], ["工作线程", `${workers.busy} / ${workers.total} 忙`]];
  if (model) {
    facts.unshift(
      ["模型", model.name], ["结构", `${model.architecture}，${model.layers} 层 × ${model.hidden_size}`],
      ["参数", `${(model.parameters / 1e6).toFixed(1)} 百万`],
      ["权重", `${model.weight_type}，${bytes(model.weight_bytes, 1).join(" ")}`],
      ["上下文", `${count(model.context_length)} 词元`],
    );
  }
  byId("facts").replaceChildren(
    ...facts.map(([name, value]) => {
      const pair = element("div");
      pair.append(element("dt", name), element("dd", value));
      return pair;
    }),
  );
}

async function refresh() {
  try {
    const response = await fetch("/status.json", { signal: AbortSignal.timeout(period * 2) });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const status = await response.json();
    showState(states[status.state] ?? [status.state, ""]);
    byId("summary").textContent = `已运行 ${uptime(status.uptime_seconds)}`;
    showMemory(status.memory);
    showRequests(status.roles);
    showEngine(status.engine);
    showTokens(status.tokens);
    showLatency(status);
    showFacts(status);
  } catch {
    showState(["连接不上", "bad"]);
  }
}

/** One reading after another, none while the page is hidden. */
async function loop() {
  while (true) {
    if (!document.hidden) await refresh();
    await new Promise((resume) => setTimeout(resume, period));
  }
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
loop();
