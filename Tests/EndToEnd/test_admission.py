"""More requests than there is room for: who is turned away, how, and who is not."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import Server, wait_until

CHAT, CLASSIFY = "/v1/chat/completions", "/v1/classify"
MESSAGE = {"model": "chat", "messages": [{"role": "user", "content": "最近工作压力好大，晚上睡不着，你能多陪我说几句话吗？"}]}
LABEL = {"model": "sentiment", "input": "今天真开心"}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A server with room for two replies at a time and six that wait."""
    server = Server(tmp_path_factory.mktemp("small"), OPTIONS="--max-sequences 2 --queue 6")
    yield server
    assert server.stop() == 0


def flood(server: Server, clients: int, requests: int, headers: dict | None = None) -> Counter:
    """Chats from so many clients at once; answers by status and code, each checked."""
    def run(_) -> Counter:
        answers = Counter()
        with server.client() as client:
            for _ in range(requests):
                answer = client.post(CHAT, json=MESSAGE, headers=headers)
                code = answer.json()["error"]["code"] if answer.is_error else None
                answers[answer.status_code, code] += 1
                if answer.status_code == 429:
                    assert 1 <= int(answer.headers["retry-after"]) <= 60
                    assert answer.json()["error"]["type"] == "rate_limit_error"
                    time.sleep(0.02)
        return answers

    with ThreadPoolExecutor(clients) as pool:
        return sum(pool.map(run, range(clients)), Counter())


def test_a_full_queue_refuses_replies_and_nothing_else(small):
    """Four times as many as there is room for: labels are judged and operations answered all the same."""
    before = small.metrics()
    with ThreadPoolExecutor(1) as pool, small.client() as client:
        flooding = pool.submit(flood, small, 32, 12)
        judged = 0
        while not flooding.done():
            assert client.post(CLASSIFY, json=LABEL).status_code == 200
            assert client.get("/healthz").status_code == 200 and client.get("/readyz").status_code == 200
            assert "llm_num_requests_waiting" in client.get("/metrics").text
            judged += 1
        answers = flooding.result()
    assert set(answers) == {(200, None), (429, "rate_limit_exceeded")}, answers
    assert judged > 0 and answers[200, None] > 0
    after = small.metrics()
    full = 'llm_admission_rejections_total{reason="full"}'
    assert after[full] - before[full] == answers[429, "rate_limit_exceeded"]
    assert after["llm_num_requests_waiting"] == 0 and after["llm_num_requests_running"] == 0


def test_who_cannot_start_in_time_is_refused_at_once(small):
    """Behind the others it would take longer than the client grants."""
    with ThreadPoolExecutor(1) as pool, small.client() as client:
        flooding = pool.submit(flood, small, 7, 40)  # one place stays free
        wait_until(lambda: small.metrics()["llm_num_requests_waiting"] >= 3, 30, "a queue")
        refused = Counter()
        while not flooding.done():
            answer = client.post(CHAT, json=MESSAGE, headers={"X-Request-Timeout-Ms": "2"})
            if answer.status_code == 200:  # a gap between the others was enough for it
                continue
            refused[answer.status_code, answer.json()["error"]["code"]] += 1
            assert answer.status_code == 504 or int(answer.headers["retry-after"]) >= 1
        assert set(flooding.result()) <= {(200, None), (429, "rate_limit_exceeded")}
    assert refused[429, "start_deadline"] > 0, refused
    assert small.metrics()['llm_admission_rejections_total{reason="overdue"}'] > 0
    with small.client() as client:
        assert client.post(CHAT, json=MESSAGE, headers={"X-Request-Timeout-Ms": "60000"}).status_code == 200


def test_a_senseless_deadline(client):
    answer = client.post(CHAT, json=MESSAGE, headers={"X-Request-Timeout-Ms": "soon"})
    assert answer.status_code == 400 and "X-Request-Timeout-Ms" in answer.json()["error"]["message"]


def test_an_answer_that_takes_too_long(tmp_path):
    """The server's own limit; a stream that has begun ends with an error of its own."""
    import json

    server = Server(tmp_path, OPTIONS="--answer-seconds 1 --max-sequences 64", THREADS="1")
    def last_event(n: int) -> str:
        with server.client() as client:
            with client.stream("POST", CHAT, json={**MESSAGE, "stream": True, "cache_salt": str(n)}) as answer:
                if answer.status_code != 200:
                    return json.loads(answer.read())["error"]["code"]
                last = [line[6:] for line in answer.iter_lines() if line.startswith("data: ")][-1]
                return last if last == "[DONE]" else json.loads(last)["error"]["code"]

    with ThreadPoolExecutor(48) as pool:
        ends = Counter(pool.map(last_event, range(192)))
    assert set(ends) <= {"[DONE]", "answer_deadline", "start_deadline", "rate_limit_exceeded"}, ends
    with server.client() as client:
        engine = client.get("/status.json").json()["engine"]
        wait_until(lambda: client.get("/status.json").json()["engine"]["running"] == 0, 10, "the engine is empty")
        assert client.post(CHAT, json=MESSAGE).status_code == 200
    print(ends, engine["steps"])
    assert server.stop() == 0
