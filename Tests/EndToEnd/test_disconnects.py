"""Clients that go away: nothing of theirs stays behind, and no one else's answer changes."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

from harness import Server, wait_until
from leaving import Leaver

CHAT, CLASSIFY = "/v1/chat/completions", "/v1/classify"
WITNESS = {
    "model": "chat", "logprobs": True, "top_logprobs": 5,
    "messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "你好呀！"}, {"role": "user", "content": "周末去爬山吧"}],
}


def answers_of_witness(client) -> tuple:
    """A reply with the log-probabilities of all of its tokens, and a label with its probabilities."""
    reply, label = client.post(CHAT, json=WITNESS), client.post(CLASSIFY, json={"model": "sentiment", "input": "还行，就是有点贵"})
    assert reply.status_code == 200 and label.status_code == 200, reply.text + label.text
    return reply.json()["choices"], reply.json()["labels"], label.json()["data"]


class Witness(threading.Thread):
    """Asks the same again and again."""

    def __init__(self, server: Server):
        super().__init__()
        self.server, self.answers, self.over = server, [], threading.Event()
        self.start()

    def run(self):
        with self.server.client() as client:
            while not self.over.wait(0.05):
                self.answers.append(answers_of_witness(client))


def engine_is_empty(client) -> bool:
    status = client.get("/status.json").json()
    engine, workers = status["engine"], status["workers"]
    return (engine["running"], engine["waiting"], engine["sequences"], workers["busy"], workers["queued"]) == (0, 0, [], 0, 0)


def threads(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.pid}/task"))


def test_a_thousand_disconnects_leave_nothing_behind(server):
    def leave(n: int):
        leaver = Leaver(server.https_port, server.certificate, seed=n)
        # 1,000 in all: each three over HTTP/1.1 and five over HTTP/2.
        for abruptly in (False, True, n % 2 == 0):
            leaver.leave_http1(abruptly)
        leaver.leave_http2(streams=5)

    with server.client() as client:
        expected = answers_of_witness(client)
        wait_until(lambda: engine_is_empty(client), 30, "the engine is empty before")
        before, threads_before = server.metrics(), threads(server)
        witness = Witness(server)
        try:
            with ThreadPoolExecutor(24) as pool:
                for future in [pool.submit(leave, n) for n in range(125)]:
                    future.result(timeout=600)
        finally:
            witness.over.set()
            witness.join()
        wait_until(lambda: engine_is_empty(client), 30, "the engine is empty")
        assert answers_of_witness(client) == expected
        blocks = client.get("/status.json").json()["engine"]["kv_blocks"]
    assert blocks["used"] == blocks["pinned"], blocks
    after = server.metrics()
    assert after["process_open_fds"] <= before["process_open_fds"] + 2
    assert threads(server) <= threads_before
    changed = [answer for answer in witness.answers if answer != expected]
    assert witness.answers and not changed, changed[:1]

    def more(name: str) -> float:
        return sum(after[key] - before[key] for key in after if key.startswith(name))

    gone = more('llm_requests_total{role="chat",outcome="cancelled"}') + more('llm_requests_total{role="sentiment",outcome="cancelled"}')
    measured = more("llm_cancellation_seconds_count")
    mean = {name: 1000 * more(f"llm_{name}_seconds_sum") / more(f"llm_{name}_seconds_count") for name in ("cancellation", "engine_step")}
    print(f"{gone:.0f} left before their answer, {measured:.0f} sequences freed within {mean['cancellation']:.1f} ms "
          f"of steps of {mean['engine_step']:.1f} ms; {len(witness.answers)} answers of the witness")
    assert gone > 300 and measured > 300
