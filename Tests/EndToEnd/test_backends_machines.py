"""Several machines with a responder each behind the production site; a network namespace stands for a machine."""

import signal
import subprocess
import time
from collections import Counter

import httpx
import pytest

from clients import CHAT, LONG, Load, chat_body
from cluster import Cluster, missing

WHY_NOT = missing()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    running = Cluster(tmp_path_factory.mktemp("machines"), "machines")
    try:
        # As upstreams/machines.conf advises, only shorter.
        for name, value in [("time", 1), ("intvl", 1), ("probes", 2)]:
            setting = f"net.ipv4.tcp_keepalive_{name}={value}"
            subprocess.run(["ip", "netns", "exec", running.front, "sysctl", "-qw", setting], check=True)
        yield running
    finally:
        running.stop()


@pytest.fixture()
def machines(cluster):
    yield cluster
    cluster.heal()


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
