"""Measures health and metrics under four times the load that there is room for; not a test.

    BINARY=.build/release/qwen-all-in-one .venv/bin/python Tests/EndToEnd/measure_overload.py [SECONDS]
"""

import json
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import Server

CHAT, CLASSIFY = "/v1/chat/completions", "/v1/classify"
MESSAGE = {"model": "chat", "messages": [{"role": "user", "content": "最近工作压力好大，晚上睡不着，你能多陪我说几句话吗？"}]}
# Room for 4 + 16 replies; four times as many clients.
OPTIONS, CLIENTS = "--max-sequences 4 --queue 16", 80


def quantiles(seconds: list[float]) -> dict:
    ordered = sorted(seconds)
    at = lambda share: round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)
    return {"count": len(ordered), "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": round(1000 * ordered[-1], 1)}


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), OPTIONS=OPTIONS)
        over, statuses, times, lock = threading.Event(), Counter(), {}, threading.Lock()

        def chat(_):
            with server.client() as client:
                while not over.is_set():
                    answer = client.post(CHAT, json=MESSAGE)
                    with lock:
                        statuses[answer.status_code, answer.headers.get("retry-after")] += 1
                    # A client that is turned away and comes back far too soon.
                    time.sleep(0.4)

        def probe(path: str):
            with server.client() as client:
                while not over.is_set():
                    start = time.perf_counter()
                    answer = client.get(path) if path != CLASSIFY else client.post(path, json={"model": "sentiment", "input": "好"})
                    with lock:
                        times.setdefault(path, []).append(time.perf_counter() - start)
                    assert answer.status_code == 200, answer.text
                    time.sleep(0.02)

        paths = ["/healthz", "/readyz", "/metrics", CLASSIFY]
        with ThreadPoolExecutor(CLIENTS + len(paths)) as pool:
            work = [pool.submit(chat, n) for n in range(CLIENTS)]
            time.sleep(2)
            work += [pool.submit(probe, path) for path in paths]
            time.sleep(seconds)
            over.set()
            for one in work:
                one.result()
        print(json.dumps({"chat": {f"{status} retry-after {after}": count for (status, after), count in sorted(statuses.items(), key=str)},
                          **{path: quantiles(values) for path, values in times.items()}}, indent=2))
        server.stop()


if __name__ == "__main__":
    main()
