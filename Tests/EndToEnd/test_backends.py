"""Several responders behind the production site: spread, loss, retries. One network namespace stands for one machine."""

import json
import os
import signal
import subprocess
import threading
import time
from collections import Counter

import httpx
import pytest

from cluster import Cluster, missing
from harness import wait_until

WHY_NOT = missing()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))

CLASSIFY, CHAT = "/v1/classify", "/v1/chat/completions"
TEXTS = [f"{mood}，第{n}次" for n in range(4) for mood in ("今天阳光真好，特别愉快", "太失望了，质量很差")]
LONG = "最近工作压力好大，晚上睡不着，你能多陪我说几句话吗？"


def cluster_of(tmp_path_factory, upstreams: str):
    cluster = Cluster(tmp_path_factory.mktemp(upstreams), upstreams)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def instances(tmp_path_factory):
    yield from cluster_of(tmp_path_factory, "instances")


@pytest.fixture(autouse=True)
def all_alive(request):
    """Whatever a test killed, stopped or unplugged works again for the next one."""
    yield
    for name in {"instances", "machines"} & set(request.fixturenames):
        cluster = request.getfixturevalue(name)
        harmed = {key: responder for key, responder in cluster.responders.items() if responder.was_harmed}
        for key, responder in harmed.items():
            if responder.process.poll() is not None:
                responder.start()
            responder.process.send_signal(signal.SIGCONT)
            cluster.wait_ready(key)
            responder.was_harmed = False
        if harmed:
            # So long a failed responder is left out.
            time.sleep(6)


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


# --- One machine


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
def test_a_stream_cut_off_by_a_crash_does_not_look_whole(instances, http2):
    """The responder dies amid replies: each one arrives whole, or lacks what ends a whole one."""
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
        if total["cut"]:
            break
        instances.responders[victim].start()
        instances.wait_ready(victim)
        time.sleep(6)
    assert total["cut"] and set(total) <= {"whole", "cut", "broken", "refused"}, total


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


# --- Several machines


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    for cluster in cluster_of(tmp_path_factory, "machines"):
        # As upstreams/machines.conf advises, only shorter.
        for name, value in [("time", 1), ("intvl", 1), ("probes", 2)]:
            subprocess.run(
                ["ip", "netns", "exec", cluster.front, "sysctl", "-qw", f"net.ipv4.tcp_keepalive_{name}={value}"], check=True
            )
        yield cluster


def test_machines_share_the_work(machines):
    before = {name: machines.served(name, "sentiment") for name in "12"}
    load = Load(machines)
    load.wait_for(60)
    load.finish()
    assert all(machines.served(name, "sentiment") > before[name] for name in "12")


def test_a_killed_responder_behind_its_bridge_loses_no_classification(machines):
    load = Load(machines)
    load.wait_for(40)
    machines.responders["2"].kill()
    load.wait_for(60)
    load.finish()


def test_a_gone_client_is_noticed_across_the_network(machines):
    """The bridge passes the closed connection on: the request ends with its client."""
    before = [machines.served(name, "chat") for name in "12"]
    machines.responders["1"].kill(signal.SIGSTOP)
    machines.responders["2"].kill(signal.SIGSTOP)

    def leave():
        with machines.client() as client, pytest.raises(httpx.ReadTimeout):
            client.post(CHAT, json=chat_body(LONG), timeout=1)

    machines.inside(leave)
    for responder in machines.responders.values():
        responder.process.send_signal(signal.SIGCONT)
    # It never starts: neither one serves it.
    time.sleep(2)
    assert [machines.served(name, "chat") for name in "12"] == before


def test_a_vanished_machine_loses_no_classification(machines):
    """Unplugged with requests under way, which nothing answers or resets."""
    start = len(machines.log())
    load = Load(machines)
    load.wait_for(20)
    machines.responders["1"].kill(signal.SIGSTOP)
    load.wait_for(20)
    machines.set_cable("1", "down")
    try:
        load.wait_for(60)
        load.finish()
    finally:
        machines.set_cable("1", "up")
    # The log has a line for what waited in vain and was then asked of the other machine.
    assert any(e["upstream_status"].endswith(", 200") for e in machines.log()[start:])


def test_a_vanished_machine_does_not_stop_conversations(machines):
    machines.set_cable("2", "down")

    def ask() -> Counter:
        with machines.client() as client:
            return Counter(
                client.post(CHAT, json=chat_body("你好"), headers={"X-Conversation-Id": f"{n}"}).status_code for n in range(16)
            )

    try:
        assert machines.inside(ask) == Counter({200: 16})
    finally:
        machines.set_cable("2", "up")
