"""Ends and restarts: what runs is finished, and behind sockets that systemd keeps no request is lost."""

import json
import os
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clients import CHAT, CLASSIFY, LONG, TEXTS, chat_body, classify, stream
from cluster import Cluster, Responder, missing
from harness import BINARY, MODEL, wait_until

WHY_NOT = missing()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))
RESTARTS, REQUESTS, CLIENTS = 5, 1000, 8
# What systemd does with Restart=always: the same sockets for one process after the other.
SUPERVISOR = """
while :; do
    (export LISTEN_PID=$BASHPID; exec "$@") & echo $! >"$0/pid"
    wait $!; echo $? >>"$0/statuses"
done
"""


class Supervised(Responder):
    """A responder whose sockets outlive it, started again whenever it ends."""

    options = []

    def start(self):
        sockets = [part for name in ("main", "ops") for part in ("-l", self.folder / f"{name}.sock")]
        serve = [BINARY, "serve", "--model", MODEL, "--roles", "roles", "--state", self.folder, *self.options]
        self.process = self._run(
            ["systemd-socket-activate", *sockets, "--fdname=main:ops", "bash", "-c", SUPERVISOR, self.folder, *serve],
            "responder",
        )

    @property
    def pid(self) -> int:
        return int((self.folder / "pid").read_text() or 0)

    @property
    def statuses(self) -> list[str]:
        path = self.folder / "statuses"
        return path.read_text().split() if path.exists() else []

    def stop(self):
        pid = self.pid if (self.folder / "pid").exists() else 0
        super().stop()
        if pid:
            os.kill(pid, signal.SIGKILL)


class Hasty(Supervised):
    """One that grants nothing to what runs at its end."""

    options = ["--drain-seconds", "0"]


@pytest.fixture()
def activated(tmp_path):
    cluster = Cluster(tmp_path, "one", responder=Supervised)
    yield cluster
    cluster.stop()


def answer(client, n: int) -> str:
    """One request of each kind in turn; "ok" or what was wrong."""
    if n % 4 == 0:
        return "ok" if (end := stream(client, f"{n}")) == "whole" else end
    if n % 4 == 1:
        reply = client.post(CHAT, json=chat_body(LONG))
        return "ok" if reply.status_code == 200 and reply.json()["choices"][0]["finish_reason"] else f"{reply.status_code}"
    label, _ = classify(client, TEXTS[n % len(TEXTS)])
    return "ok" if label in ("正面", "负面") else f"{label}"


def test_five_restarts_under_load_lose_no_request(activated):
    responder = activated.responders["1"]
    lock, answers, next_number = threading.Lock(), Counter(), iter(range(REQUESTS))

    def run():
        with activated.client() as client:
            while True:
                with lock:
                    number = next(next_number, None)
                if number is None:
                    return
                result = answer(client, number)
                with lock:
                    answers[result] += 1
                time.sleep(0.02)  # nginx grants one client 200 a second

    with activated.pool(CLIENTS) as pool:
        running = [pool.submit(run) for _ in range(CLIENTS)]
        for restart in range(RESTARTS):
            goal = (restart + 1) * REQUESTS // (RESTARTS + 2)
            wait_until(lambda: sum(answers.values()) >= goal, 300, f"{goal} answers; {answers}")
            before = responder.pid
            os.kill(before, signal.SIGTERM)
            wait_until(lambda: responder.pid not in (0, before), 60, "the responder is started again")
        for future in running:
            future.result(timeout=300)
    assert answers == {"ok": REQUESTS}
    assert responder.statuses == ["0"] * RESTARTS


def test_an_end_finishes_what_runs_and_takes_nothing_new(activated):
    """Streams that have begun are whole, and the process ends well within the time it has."""
    responder, begun = activated.responders["1"], threading.Barrier(13)

    def read(n: int) -> str:
        once = iter([True])
        with activated.client() as client:
            return stream(client, f"{n}", on_event=lambda: next(once, False) and begun.wait(60))

    with activated.pool(12) as pool:
        ends = [pool.submit(read, n) for n in range(12)]
        begun.wait(60)
        os.kill(responder.pid, signal.SIGTERM)
        assert [end.result(timeout=60) for end in ends] == ["whole"] * 12
    wait_until(lambda: responder.statuses == ["0"], 40, "a clean end")


def test_what_does_not_end_in_time_is_told_so(tmp_path):
    """A stream is cut off by an error event, never without a word."""
    cluster = Cluster(tmp_path, "one", responder=Hasty)
    try:
        responder, begun = cluster.responders["1"], threading.Event()

        def read(n: int) -> str:
            with cluster.client() as client:
                return stream(client, f"{n}", on_event=begun.set)

        with cluster.pool(24) as pool:
            ends = [pool.submit(read, n) for n in range(24)]
            begun.wait(60)
            os.kill(responder.pid, signal.SIGTERM)
            answers = Counter(end.result(timeout=60) for end in ends)
        print(answers)
        assert set(answers) <= {"whole", "error", "refused"}, answers
        wait_until(lambda: responder.statuses == ["0"], 20, "a clean end")
    finally:
        cluster.stop()
