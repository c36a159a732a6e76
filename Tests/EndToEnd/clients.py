"""Clients of several responders: classifications without a break, streamed replies, and who was asked."""

import json
import os
import threading

import httpx

from cluster import Cluster
from harness import wait_until

CLASSIFY, CHAT = "/v1/classify", "/v1/chat/completions"
TEXTS = [f"{mood}，第{n}次" for n in range(4) for mood in ("今天阳光真好，特别愉快", "太失望了，质量很差")]
LONG = "最近工作压力好大，晚上睡不着，你能多陪我说几句话吗？"


def classify(client: httpx.Client, text: str) -> tuple:
    response = client.post(CLASSIFY, json={"model": "sentiment", "input": text})
    if response.status_code != 200:
        return response.status_code, response.text
    [item] = response.json()["data"]
    return item["label"], item["probs"]


class Load:
    """Classifications from several clients at once, until told to stop; counts answers and keeps what was wrong."""

    def __init__(self, cluster: Cluster, clients: int = 6, limit: int = 400):
        self.expected = cluster.inside(self._expected, cluster)
        self.cluster, self.limit = cluster, limit
        self.answered, self.wrong = 0, []
        self.over, self.lock = threading.Event(), threading.Lock()
        self.pool = cluster.pool(clients)
        self.futures = [self.pool.submit(self._run, n) for n in range(clients)]

    @staticmethod
    def _expected(cluster: Cluster) -> dict[str, tuple]:
        with cluster.client() as client:
            return {text: classify(client, text) for text in TEXTS}

    def _run(self, offset: int):
        with self.cluster.client() as client:
            n = offset
            while not self.over.is_set():
                text = TEXTS[n % len(TEXTS)]
                answer = classify(client, text)
                n += 1
                with self.lock:
                    self.answered += 1
                    if answer != self.expected[text]:
                        self.wrong.append((text, answer))
                    if self.answered >= self.limit:
                        self.over.set()

    def wait_for(self, more: int):
        """Until so many more were answered, or the limit that nginx sets to one client is near."""
        goal = min(self.answered + more, self.limit)
        wait_until(lambda: self.answered >= goal, 60, f"{goal} answers; {self.wrong}")

    def finish(self):
        self.over.set()
        for future in self.futures:
            future.result(timeout=120)
        self.pool.shutdown()
        assert self.wrong == [] and all(isinstance(label, str) for label, _ in self.expected.values())


def chat_body(text: str, **more) -> dict:
    return {"model": "chat", "messages": [{"role": "user", "content": text}], **more}


def stream(client: httpx.Client, conversation: str, on_event=lambda: None) -> str:
    """How a streamed reply ended: whole, error (an error of its own in the stream), broken (the transport says so), refused
    (a plain error), cut (without finish_reason and [DONE]) or wrong (with only one of them)."""
    headers = {"X-Conversation-Id": conversation}
    try:
        with client.stream("POST", CHAT, json=chat_body(LONG, stream=True), headers=headers) as response:
            if response.status_code != 200:
                error = json.loads(response.read())["error"]
                return "refused" if response.status_code == 503 and error["message"] else f"status {response.status_code}"
            finished = done = False
            for line in response.iter_lines():
                if not line.startswith("data: "):
                    continue
                on_event()
                if line == "data: [DONE]":
                    done = True
                elif "error" in (event := json.loads(line[6:])):
                    return "error"
                else:
                    finished = finished or any(choice["finish_reason"] for choice in event["choices"])
            return {(True, True): "whole", (False, False): "cut"}.get((finished, done), "wrong")
    except (httpx.RemoteProtocolError, httpx.ReadError):
        return "broken"


def upstreams_of(entries: list[dict]) -> list[list[str]]:
    """For each entry of the log the responders that were asked, in order."""
    return [[os.path.basename(os.path.dirname(one)) or one for one in e["upstream"].split(", ")] for e in entries]
