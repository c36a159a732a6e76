// The status page: reads /status.json every few seconds while it is looked at, and draws it.

import { MemoryChart } from "/chart.js";
import { bytes, clock, count, seconds, uptime } from "/format.js";
import { say } from "/language.js";

const period = 3000;
const comma = say("，", ", ");
const byId = (id) => document.getElementById(id);
const chart = new MemoryChart(byId("chart"));

const states = {
  ready: [say("运行正常", "Running"), "good"],
  loading: [say("正在加载模型", "Loading the model"), ""],
  draining: [say("正在退出", "Stopping"), ""],
  faulty: [say("模型自检不符，已停止回答", "The model failed its self-check; nothing is answered"), "bad"],
  stuck: [say("引擎没有响应", "The engine does not respond"), "bad"],
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
  const bound = bytes(memory.budget_bytes, 1).join(" ");
  byId("resident-detail").textContent = memory.budget_bytes > 0
    ? say(`峰值 ${peak}，启动时算出的上限 ${bound}`, `Peak ${peak}, bound computed at start ${bound}`)
    : say(`峰值 ${peak}`, `Peak ${peak}`);
  const now = { time: Date.now() / 1000, bytes: memory.resident_bytes };
  const history = memory.history.map((sample) => ({ time: sample.time, bytes: sample.resident_bytes }));
  chart.show([...history, now], memory.budget_bytes);
}

/** Readings of the last minute: when (s), and requests ended by then. */
let readings = [];

/** Requests a second over the readings of the last minute; null while there is but one, or after a restart. */
function rate(time, ended) {
  if (readings.length > 0 && ended < readings.at(-1).ended) readings = [];
  readings = [...readings.filter((reading) => time - reading.time <= 60), { time, ended }];
  const first = readings[0];
  return time > first.time ? (ended - first.ended) / (time - first.time) : null;
}

function showRequests({ roles, time }) {
  const outcomes = { success: 0, client_error: 0, rejected: 0, cancelled: 0, failed: 0 };
  for (const { requests } of Object.values(roles)) {
    for (const [outcome, number] of Object.entries(requests)) outcomes[outcome] += number;
  }
  figure("requests", count(outcomes.success), say("成功", "answered"));
  const each = rate(time, Object.values(outcomes).reduce((sum, number) => sum + number, 0));
  const pace = each === null ? [] : [say(`每秒 ${each.toFixed(1)}`, `${each.toFixed(1)} a second`)];
  const others = [
    [say("请求有误", "bad requests"), outcomes.client_error], [say("拒绝", "rejected"), outcomes.rejected],
    [say("取消", "cancelled"), outcomes.cancelled], [say("失败", "failed"), outcomes.failed],
  ].filter(([, number]) => number > 0);
  const faults = others.map(([name, number]) => `${name} ${count(number)}`);
  byId("requests-detail").textContent = [...pace, ...(faults.length > 0 ? faults : [say("没有出错", "no errors")])].join(" · ");
}

function showEngine(engine) {
  if (!engine) return;
  figure("running", engine.running, `/ ${engine.max_sequences}`);
  byId("running-detail").textContent = `${say("排队", "Queued")} ${engine.waiting} / ${engine.queue_limit}`;
  const busy = new Set(engine.sequences.map((sequence) => sequence.slot));
  byId("slots").replaceChildren(
    ...Array.from({ length: engine.max_sequences }, (_, slot) => element("span", "", busy.has(slot) ? "busy" : "")),
  );
  const { used, pinned, cached, total } = engine.kv_blocks;
  const share = total > 0 ? (used / total) * 100 : 0;
  figure("cache", share.toFixed(share < 10 ? 1 : 0), "%");
  byId("cache-detail").textContent = say(
    `${used} / ${total} 块，角色常驻 ${pinned}，对话缓存 ${cached}`,
    `${used} of ${total} blocks, ${pinned} pinned for roles; ${cached} more keep conversations`,
  );
  byId("cache-bar").style.width = `${share}%`;
}

function showSequences(engine) {
  const sequences = engine?.sequences ?? [];
  byId("sequences").hidden = sequences.length === 0;
  byId("no-sequences").hidden = sequences.length > 0;
  byId("sequences").tBodies[0].replaceChildren(...sequences.map((sequence) => {
    const row = element("tr");
    const head = element("th", String(sequence.slot + 1));
    head.scope = "row";
    const read = Math.min(sequence.computed_tokens, sequence.prompt_tokens);
    const isReading = read < sequence.prompt_tokens;
    const cells = [
      isReading ? say("读入", "reading") : say("生成", "writing"), `${count(read)} / ${count(sequence.prompt_tokens)}`,
      count(sequence.generated_tokens), seconds(sequence.seconds).join(" "),
    ];
    row.append(head, ...cells.map((text) => element("td", text)));
    return row;
  }));
}

function showTokens(tokens) {
  figure("tokens", count(tokens.generated), say("生成", "generated"));
  const share = tokens.prompt > 0 ? Math.round((tokens.cached / tokens.prompt) * 100) : 0;
  const read = count(tokens.prompt);
  byId("tokens-detail").textContent = say(`输入 ${read}，缓存命中 ${share}%`, `${read} read, ${share}% of them cached`);
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
    ...Object.entries(status.roles).map(
      ([role, { latency_seconds }]) => [say(`${role} 整个请求`, `${role}, whole request`), latency_seconds],
    ),
    [say("首个词元", "First token"), phases.time_to_first_token],
    [say("词元间隔", "Between tokens"), phases.inter_token],
    [say("排队", "Queue"), phases.queue],
    [say("读入提示", "Prefill"), phases.prefill],
    [say("生成", "Decode"), phases.decode],
  ].filter(([, summary]) => summary.count > 0);
  byId("latency").replaceChildren(...rows.map(([name, summary]) => latencyRow(name, summary)));
}

const checks = { match: say("一致", "as recorded"), mismatch: say("不符", "differs") };

function selfCheck({ result, time }) {
  const words = checks[result];
  return words ? [words, clock(time)].join(comma) : say("尚未进行", "not yet");
}

function showFacts({ build, model, workers, self_check }) {
  const busy = say(`${workers.busy} / ${workers.total} 忙`, `${workers.busy} of ${workers.total} busy`);
  const facts = [[say("版本", "Version"), `${build.name} ${build.version}`], [say("工作线程", "Worker threads"), busy], [say("自检", "Self-check"), selfCheck(self_check)]];
  if (model) {
    facts.unshift(
      [say("模型", "Model"), model.name],
      [say("结构", "Shape"), [model.architecture, `${model.layers} ${say("层", "layers")} × ${model.hidden_size}`].join(comma)],
      [say("参数", "Parameters"), `${(model.parameters / 1e6).toFixed(1)} ${say("百万", "million")}`],
      [say("权重", "Weights"), [model.weight_type, bytes(model.weight_bytes, 1).join(" ")].join(comma)],
      [say("KV 缓存", "KV cache"), model.kv_precision],
      [say("训练过的角色", "Trained roles"), model.trained_roles?.join(comma) ?? say("未指明，全部可用", "not stated, all offered")],
      [say("上下文", "Context"), `${count(model.context_length)} ${say("词元", "tokens")}`],
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
    byId("summary").textContent = `${say("已运行", "Up for")} ${uptime(status.uptime_seconds)}`;
    showMemory(status.memory);
    showRequests(status);
    showEngine(status.engine);
    showSequences(status.engine);
    showTokens(status.tokens);
    showLatency(status);
    showFacts(status);
  } catch {
    showState([say("连接不上", "No connection"), "bad"]);
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
