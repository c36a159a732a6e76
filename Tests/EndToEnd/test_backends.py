"""Several responders on one machine behind the production site: spread, loss, retries."""

import signal
import threading
import time
from collections import Counter

import httpx
import pytest

from clients import CHAT, CLASSIFY, TEXTS, Load, chat_body, classify, stream, upstreams_of
from cluster import Cluster, missing
from harness import wait_until

WHY_NOT = missing()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    running = Cluster(tmp_path_factory.mktemp("instances"), "instances")
    yield running
    running.stop()


@pytest.fixture()
def instances(cluster):
    yield cluster
    cluster.heal()


def test_classifications_go_to_all(instances):
    before = {name: instances.served(name, "sentiment") for name in "12"}
    load = Load(instances)
    load.wait_for(100)
    load.finish()
    served = {name: instances.served(name, "sentiment") - before[name] for name in "12"}
    assert min(served.values()) >= 0.25 * sum(served.values()), served


def test_a_conversation_stays_and_conversations_spread(instances):
    def ask(conversation: str) -> None:
        with instances.client() as client:
            headers = {"X-Conversation-Id": conversation}
            assert client.post(CHAT, json=chat_body("你好"), headers=headers).status_code == 200

    start = len(instances.log())
    with instances.pool(1) as pool:
        for n in range(12):
            for _ in range(2):
                pool.submit(ask, f"conversation-{n}").result()
    wait_until(lambda: len(instances.log()) >= start + 24, 5, "24 lines in the log")
    asked = [names for [names] in upstreams_of(instances.log()[start:])]
    assert asked[::2] == asked[1::2]
    assert set(asked) == {"1", "2"}


def test_one_address_is_one_conversation(instances):
    def ask() -> None:
        with instances.client() as client:
            for n in range(6):
                assert client.post(CHAT, json=chat_body(f"你好{n}")).status_code == 200

    start = len(instances.log())
    instances.inside(ask)
    wait_until(lambda: len(instances.log()) >= start + 6, 5, "6 lines in the log")
    assert len({tuple(names) for names in upstreams_of(instances.log()[start:])}) == 1


def test_operations_of_each_instance(instances):
    metrics = {name: instances.get(f"/metrics?instance={name}") for name in "12"}
    assert all(answer.status_code == 200 for answer in metrics.values())
    assert instances.get("/status.json?instance=2").json()["state"] == "ready"
    unknown = instances.get("/metrics?instance=9")
    assert unknown.status_code == 404 and unknown.json()["error"]["code"] == "not_found"


def test_a_killed_responder_loses_no_classification(instances):
    load = Load(instances)
    load.wait_for(60)
    instances.responders["1"].kill()
    load.wait_for(100)
    load.finish()


def test_a_hanging_responder_that_is_killed_loses_no_classification(instances):
    """Requests that it had already taken are asked of the other one."""
    start = len(instances.log())
    load = Load(instances)
    load.wait_for(30)
    instances.responders["1"].kill(signal.SIGSTOP)
    # The other one goes on with the rest; with no request under way, the hanging one is the next one's choice.
    load.wait_for(60)
    instances.responders["1"].kill()
    load.wait_for(60)
    load.finish()
    retried = [e for e in instances.log()[start:] if e["upstream_status"] == "502, 200"]
    assert retried and all(names == ["1", "2"] for names in upstreams_of(retried))


def test_a_restart_under_load_loses_no_classification(instances):
    load = Load(instances)
    load.wait_for(40)
    responder = instances.responders["2"]
    responder.kill(signal.SIGTERM)
    assert responder.process.wait(timeout=60) == 0
    load.wait_for(60)
    load.finish()


@pytest.mark.parametrize("name", ["1", "2"])
def test_a_dead_responder_is_unnoticed(instances, name):
    instances.responders[name].kill()

    def ask() -> Counter:
        answers = Counter()
        with instances.client() as client:
            for n in range(20):
                headers = {"X-Conversation-Id": f"{n}"}
                answers[client.post(CHAT, json=chat_body("你好"), headers=headers).status_code] += 1
                answers[client.post(CLASSIFY, json={"model": "sentiment", "input": "好"}).status_code] += 1
                answers[client.get("/v1/models").status_code] += 1
                answers[client.get("/readyz").status_code] += 1
        return answers

    assert instances.inside(ask) == Counter({200: 80})


def test_a_responder_that_comes_back_is_used_again(instances):
    def serves_more(than: float) -> bool:
        instances.inside(ask)
        return instances.served("1", "sentiment") > than

    def ask():
        with instances.client() as client:
            for text in TEXTS[:4]:
                assert isinstance(classify(client, text)[0], str)

    instances.responders["1"].kill()
    instances.inside(ask)
    instances.responders["1"].start()
    instances.wait_ready("1")
    served = instances.served("1", "sentiment")
    wait_until(lambda: serves_more(served), 20, "the responder is asked again")


def test_all_dead_is_a_clear_error(instances):
    for responder in instances.responders.values():
        responder.kill()

    def ask(path: str, body: dict) -> httpx.Response:
        with instances.client() as client:
            return client.post(path, json=body)

    for path, body in [(CLASSIFY, {"model": "sentiment", "input": "好"}), (CHAT, chat_body("好")),
                       (CHAT, chat_body("好", stream=True))]:
        answer = instances.inside(ask, path, body)
        assert answer.status_code == 503 and answer.headers["retry-after"] == "2"
        assert answer.json()["error"]["code"] == "service_unavailable"


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_a_stream_cut_off_by_a_crash_is_an_error(instances, http2):
    """The responder dies amid replies: each one arrives whole, or its client's transport fails."""
    streams = 12

    def one_round() -> Counter:
        first_event, ready = threading.Event(), threading.Barrier(streams)

        def one() -> str:
            with instances.client(http2=http2) as client:
                client.get("/healthz")
                ready.wait(timeout=60)
                return stream(client, "the same", first_event.set)

        with instances.pool(streams) as pool:
            futures = [pool.submit(one) for _ in range(streams)]
            assert first_event.wait(60)
            instances.responders[victim].kill()
            return Counter(future.result(timeout=120) for future in futures)

    def whose() -> str:
        start = len(instances.log())
        with instances.pool(1) as pool:
            assert pool.submit(lambda: stream(instances.client(), "the same")).result() == "whole"
        wait_until(lambda: len(instances.log()) > start, 5, "a line in the log")
        return upstreams_of(instances.log()[start:])[0][0]

    victim = whose()
    total = Counter()
    # What was seen first may have been all that was under way: not each round breaks a reply.
    for _ in range(5):
        total += one_round()
        if total["broken"]:
            break
        instances.responders[victim].start()
        instances.wait_ready(victim)
        time.sleep(6)
    assert total["broken"] and set(total) <= {"whole", "broken", "refused"}, total


# --- Three instances


def test_two_of_three_killed_lose_no_classification(tmp_path):
    cluster = Cluster(tmp_path, "three")
    try:
        load = Load(cluster)
        load.wait_for(60)
        served = {name: cluster.served(name, "sentiment") for name in "123"}
        cluster.responders["1"].kill()
        cluster.responders["3"].kill()
        load.wait_for(100)
        load.finish()
        assert all(served.values()), served
    finally:
        cluster.stop()
