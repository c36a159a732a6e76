"""Answers over HTTP: the real service behind nginx, llama.cpp's server, transformers; one at a time, and sixteen at once."""

import itertools
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import texts
from common import ROOT, WORK, Line, interleave, print_line
from servers import LlamaServer, Ours, Transformers

SENTIMENT = "你是一个专注情感二分类的AI,不提供解释,不生成额外文本,只输出“正面”或“负面”。"
CHAT = "你是一个温暖的朋友。请用不超过60字回复。"
LABELS = 'root ::= "正面" | "负面"'
CLIENTS = 16
REPLY_TOKENS = 40
# Of one turn of many at once; a wave of chats is longer than one of labels.
CLASSIFY_SECONDS, CHAT_SECONDS = 6, 10
# Least and wanted ratio.
ANSWER_AIMS = {
    "q8_0": {"transformers F32": [6.5, 10], "llama-server": [2.8, 4.4]},
    "q4_0": {"transformers F32": [9, 12], "llama-server": [2.8, 4]},
}
LOAD_AIMS = {"q8_0": {"llama-server": [2.0, 3.0]}, "q4_0": {"llama-server": [2.5, 4]}}
CHAT_AIMS = {"q8_0": {"llama-server": [2.0, 2.8]}}


def prompt(system: str, text: str) -> str:
    return f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"


def write_roles() -> Path:
    """The two roles alone: the chat role without the sentiment that goes with it, and with room for REPLY_TOKENS tokens of
    random weights, so that both sides do the same."""
    folder = WORK / "roles"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sentiment.yaml").write_text((ROOT / "roles/sentiment.yaml").read_text())
    (folder / "chat.yaml").write_text(
        f"name: chat\nsystem: |\n  {CHAT}\ninput: {{ max_characters: 2000, overflow: reject }}\n"
        "output: { max_characters: 1000 }\n"
    )
    return folder


def classify(server, text: str) -> int:
    """One label; counts as one."""
    if isinstance(server, Ours):
        server.post("/v1/classify", {"model": "sentiment", "input": text})
    else:
        server.complete(prompt(SENTIMENT, text), 2, LABELS)
    return 1


def classify_freely(server, text: str) -> int:
    """One token without a grammar: less than the task asks for, the most that the peer can do."""
    server.complete(prompt(SENTIMENT, text), 1)
    return 1


def chat(server, text: str) -> int:
    """A reply; counts its tokens."""
    if isinstance(server, Ours):
        body = {"model": "chat", "messages": [{"role": "user", "content": text}], "max_tokens": REPLY_TOKENS}
        return server.post("/v1/chat/completions", body)["usage"]["completion_tokens"]
    return server.complete(prompt(CHAT, text), REPLY_TOKENS, ignore_eos=True)["tokens_predicted"]


def milliseconds(work, source) -> float:
    text = next(source)
    start = time.monotonic()
    work(text)
    return 1000 * (time.monotonic() - start)


def rate_of_many(server, work, source, seconds: float) -> float:
    """What CLIENTS clients at once get done a second, in a window of time; what is under way at its end counts in part."""
    done, lock = [], threading.Lock()
    start = time.monotonic()
    end = start + seconds

    def client():
        while (begin := time.monotonic()) < end:
            with lock:
                text = next(source)
            count = work(server, text)
            finish = time.monotonic()
            done.append(count * (min(finish, end) - begin) / (finish - begin))

    with ThreadPoolExecutor(CLIENTS) as pool:
        for outcome in [pool.submit(client) for _ in range(CLIENTS)]:
            outcome.result()  # a client that failed ends the run: without it the rate would be too low
    return sum(done) / seconds


def best_settings(rates: dict[str, float]) -> list[str]:
    """Ours, and of each peer the setting with the highest rate."""
    best = {}
    for name, rate in rates.items():
        peer = name.split(",")[0]
        if peer not in best or rate > rates[best[peer]]:
            best[peer] = name
    return list(best.values())


def line(name, unit, higher, samples, aims, notes="") -> Line:
    result = Line(name, unit, higher, samples.pop("ours"), samples, aims, notes)
    print_line(result)
    return result


def one_at_a_time(ours: Ours, llama: dict[str, LlamaServer], transformers, kind: str, rounds: int) -> list[Line]:
    lines = []
    for name, length, lively in (("sentiment, 40 characters", 40, False), ("longest input, 128 characters", 128, True)):
        source = itertools.cycle(texts.texts_of(length, 400, lively=lively))
        contestants = {"ours": lambda: milliseconds(lambda text: classify(ours, text), source)}
        for setting, server in llama.items():
            key = f"llama-server, grammar, 2 tokens, {setting}"
            contestants[key] = lambda server=server: milliseconds(lambda text: classify(server, text), source)
            key = f"llama-server without grammar, 1 token, {setting}"
            contestants[key] = lambda server=server: milliseconds(lambda text: classify_freely(server, text), source)
        if transformers and not lively:
            tokenize = next(iter(llama.values())).token_ids

            def generate():
                return 1000 * transformers.generate(tokenize(prompt(SENTIMENT, next(source))), 2)

            contestants["transformers F32, full prompt, 2 tokens"] = generate
        samples = interleave(contestants, rounds)
        aims = {} if lively else ANSWER_AIMS.get(kind, {})
        lines.append(line(f"{name}, {kind.upper()}", "ms", False, samples, aims))
    return lines


def sixteen_at_once(ours: Ours, llama: dict[str, LlamaServer], kind: str, rounds: int) -> list[Line]:
    """The warm-up decides which setting of a peer takes part in the rounds."""
    lines = []
    source = itertools.cycle(texts.texts_of(40, 4000))

    def contestant(server, work, seconds):
        return lambda: rate_of_many(server, work, source, seconds)

    for name, unit, work, seconds, aims in (
        ("16 classifications at once", "answers/s", classify, CLASSIFY_SECONDS, LOAD_AIMS),
        ("16 chats at once", "tokens/s", chat, CHAT_SECONDS, CHAT_AIMS),
    ):
        contestants = {"ours": contestant(ours, work, seconds)}
        for setting, server in llama.items():
            what = "grammar, 2 tokens, " if work is classify else ""
            contestants[f"llama-server, {what}{setting}"] = contestant(server, work, seconds)
            if work is classify:
                key = f"llama-server without grammar, 1 token, {setting}"
                contestants[key] = contestant(server, classify_freely, seconds)
        samples = interleave(contestants, rounds, pause=1, keep=best_settings)
        lines.append(line(f"{name}, {kind.upper()}", unit, True, samples, aims.get(kind, {})))
    return lines


def measure(models: dict[str, Path], threads: int, rounds: int, load_rounds: int, with_transformers: bool) -> list[Line]:
    lines = []
    roles = write_roles()
    with ExitStack() as outer:
        transformers = outer.enter_context(Transformers(threads)) if with_transformers else None
        for kind, model in models.items():
            with ExitStack() as stack:
                ours = stack.enter_context(Ours(model, threads, WORK / "run", roles))
                for slots, lines_of in ((1, one_at_a_time), (CLIENTS, sixteen_at_once)):
                    if (rounds if slots == 1 else load_rounds) == 0:
                        continue
                    with ExitStack() as peers:
                        llama = {
                            f"-fa {int(flash)}": peers.enter_context(LlamaServer(model, threads, WORK / "run", slots, flash))
                            for flash in (False, True)
                        }
                        if slots == 1:
                            lines += lines_of(ours, llama, transformers, kind, rounds)
                        else:
                            lines += lines_of(ours, llama, kind, load_rounds)
                        megabytes = {name: server.resident_bytes() / 1e6 for name, server in llama.items()}
                        print(f"    resident MB: ours {ours.resident_bytes(ours.responder) / 1e6:.0f}, llama-server "
                              + json.dumps({name: round(value) for name, value in megabytes.items()}))  # fmt: skip
    return lines
