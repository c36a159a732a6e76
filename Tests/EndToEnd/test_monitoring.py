"""packaging/prometheus and packaging/grafana against a real Prometheus that scrapes two responders behind one nginx."""

import itertools
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from harness import ROOT, Server, wait_until
from prometheus import RULES, Prometheus, selectors

DASHBOARD = json.loads((ROOT / "packaging/grafana/qwen-all-in-one.json").read_text())
FIRST, SECOND = "qwen.example.org", "qwen.example.org/2"


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in text, f"not there: {old}"
        text = text.replace(old, new)
    return text


def serve_both(front: Server, behind: Server):
    """Gives the nginx of `front` another server's responder as instance 2, by the production site's upstreams for instances."""
    upstreams = (ROOT / "nginx/upstreams/instances.conf").read_text()
    for number, server in (("1", front), ("2", behind)):
        [sockets] = re.findall(r'"unix:(.*)/ops\.sock"', (server.run_dir / "nginx.conf").read_text())
        upstreams = re.sub(rf"unix:/run/qwen-all-in-one/{number}/(\w+\.sock)", rf'"unix:{sockets}/\1"', upstreams)
    assert "/run/qwen-all-in-one" not in upstreams
    configuration = front.run_dir / "nginx.conf"
    text = configuration.read_text()
    own = text[text.index("    upstream qwen_classify {") : text.index("    server {")]
    configuration.write_text(replaced(text, (own, upstreams)))
    os.kill(int((front.run_dir / "nginx.pid").read_text()), signal.SIGHUP)

    def serves_both() -> bool:
        with front.client() as client:
            return client.get("/metrics?instance=2").status_code == 200

    wait_until(serves_both, 30, "nginx serves both responders")


def write_configuration(folder: Path, server: Server):
    """The example configuration, its lines for several responders included, for a server of the tests and in a hurry."""
    example = (ROOT / "packaging/prometheus/prometheus.yml").read_text()
    example = re.sub(r"^( +)# (?=- |  |__param_)", r"\1", example, flags=re.MULTILINE)
    (folder / "prometheus.yml").write_text(replaced(
        example,
        ("15s", "2s"),
        ('"127.0.0.1:443"', f'"127.0.0.1:{server.https_port}"'),
        ("server_name: qwen.example.org", f"server_name: localhost\n      ca_file: {server.certificate}"),
    ))
    down = re.search(r"- alert: QwenDown\n.*\n +for: 1m\n", RULES.read_text())[0]
    (folder / "rules.yml").write_text(replaced(RULES.read_text(), (down, down.replace("1m", "10s"))))


@pytest.fixture(scope="module")
def front(server, tmp_path_factory):
    """A second server, whose nginx has both responders: instance 1 is its own, instance 2 the shared server's."""
    running = Server(tmp_path_factory.mktemp("front"))
    try:
        serve_both(running, server)
        yield running
    finally:
        status = running.stop()
    assert status == 0, running.text()


@pytest.fixture(scope="module")
def prometheus(front, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prometheus")
    write_configuration(folder, front)
    running = Prometheus(folder)
    yield running
    running.stop()


def recorded(prometheus) -> set[tuple[str, str]]:
    """(recording rule, instance) for which there is a number."""
    names = {rule["name"] for rule in prometheus.rules("recording")}
    return {
        (name, sample["metric"]["instance"])
        for name in names for sample in prometheus.query(name) if sample["value"][1] != "NaN"
    }


@pytest.fixture(scope="module")
def observed(prometheus, front):
    """The Prometheus once it has seen traffic on both responders: every recording rule has data. Idle again."""
    wanted = {(rule["name"], instance) for rule in prometheus.rules("recording") for instance in (FIRST, SECOND)}
    assert len(wanted) > 20

    # New ones each time: a conversation goes to one responder, and a few of them may all go to the same.
    conversations = itertools.count()

    def all_there() -> bool:
        with front.client() as client:
            for conversation in itertools.islice(conversations, 4):
                client.post("/v1/classify", json={"model": "sentiment", "input": "味道很好"}).raise_for_status()
                body = {"model": "chat", "messages": [{"role": "user", "content": "今天有点累"}]}
                headers = {"X-Conversation-Id": str(conversation)}
                client.post("/v1/chat/completions", json=body, headers=headers).raise_for_status()
        return wanted <= recorded(prometheus)

    try:
        wait_until(all_there, 90, "every recording rule has data")
    except AssertionError as error:
        raise AssertionError(f"{error}; without: {wanted - recorded(prometheus)}") from None
    wait_until(lambda: not prometheus.query("llm_num_requests_running > 0"), 30, "the last scrape saw no request")
    return prometheus


def promtool(*arguments: str):
    run = subprocess.run(
        ["promtool", *arguments], cwd=RULES.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert run.returncode == 0, run.stdout


def test_promtool_accepts_configuration_and_rules():
    promtool("check", "config", "prometheus.yml")
    promtool("check", "rules", "--lint=all", "--lint-fatal", "rules.yml")


def test_promtool_rule_tests():
    promtool("test", "rules", "rules-test.yml")


def test_every_alert_has_a_test_and_says_what_to_do(observed):
    tests = (RULES.parent / "rules-test.yml").read_text()
    alerts = observed.rules("alerting")
    assert len(alerts) >= 8
    for alert in alerts:
        assert f'labels: ALERTS{{alertname="{alert["name"]}"' in tests
        assert {"summary", "description", "action"} <= alert["annotations"].keys()
        assert alert["labels"]["severity"] in ("critical", "warning")


def test_each_responder_has_its_metrics(front, server):
    name = "process_start_time_seconds"
    own = [front.metrics()[name], server.metrics()[name]]
    with front.client() as client:
        texts = [client.get(f"/metrics?instance={number}").text for number in (1, 2)]
        assert client.get("/metrics?instance=3").status_code == 404
    starts = [float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1]) for text in texts]
    assert starts == own and starts[0] != starts[1]


def test_prometheus_scrapes_both(observed):
    targets = observed.get("targets", state="active")["activeTargets"]
    assert {(t["labels"]["instance"], t["health"], t["lastError"]) for t in targets} == {
        (FIRST, "up", ""), (SECOND, "up", ""),
    }


def test_rules_evaluate_and_no_alert_fires(observed):
    rules = observed.rules("recording") + observed.rules("alerting")
    assert {(rule["health"], rule.get("lastError", "")) for rule in rules} == {("ok", "")}
    assert observed.get("alerts")["alerts"] == []


def dashboard_expressions() -> list[str]:
    targets = [target for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    expressions = [target["expr"] for target in targets] + [each["expr"] for each in DASHBOARD["annotations"]["list"]]
    variables = {"$__rate_interval": "1m", "$__interval": "1m", "$instance": ".*", "$role": ".*"}
    for name, value in variables.items():
        expressions = [expression.replace(name, value) for expression in expressions]
    assert not any("$" in expression for expression in expressions)
    return expressions


def test_selectors_are_found():
    expression = 'sum by (role) (rate(a_total{b="c"}[5m])) / (d:e > bool 0) and min_over_time(f[1h] offset 6h) > 14.4 * 0.05'
    assert selectors(expression) == {("a_total", '{b="c"}'), ("d:e", ""), ("f", "")}


def test_every_metric_that_is_used_exists(observed, server):
    with server.client() as client:
        exported = set(re.findall(r"^([a-z]\w*)", client.get("/metrics").text, re.MULTILINE))
    recording = observed.rules("recording")
    records = {rule["name"] for rule in recording}
    rules = [rule["query"] for rule in recording + observed.rules("alerting")]
    used = {each for text in rules + dashboard_expressions() for each in selectors(text)}
    used = {(name, matchers) for name, matchers in used if name not in ("up", "ALERTS")}
    assert len(used) > 40
    assert {name for name, _ in used} <= exported | records
    # With their matchers as well: a label or value that is never exported would select nothing.
    empty = {each for each in used if not observed.get("series", **{"match[]": "".join(each)})}
    assert not empty


def test_dashboard_panels_have_data(observed):
    panels = [target for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    assert len(panels) > 30
    without = [expression for expression in dashboard_expressions()[: len(panels)] if not observed.query(expression)]
    assert not without


def test_dashboard_is_sound():
    assert DASHBOARD["schemaVersion"] >= 39
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource" and "instance" in variables
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    cells = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        area = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not cells & area, panel["title"]
        cells |= area
        for target in panel.get("targets", []):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_a_responder_that_hangs_is_reported(observed, front):
    os.kill(front.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: ("QwenDown", FIRST) in observed.alerts("firing"), 90, "QwenDown fires")
        assert observed.alerts("firing") == {("QwenDown", FIRST)}
        [alert] = [each for each in observed.get("alerts")["alerts"] if each["state"] == "firing"]
        assert alert["annotations"]["summary"] == f"{FIRST} does not answer Prometheus"
        assert alert["labels"]["severity"] == "critical"
    finally:
        os.kill(front.pid, signal.SIGCONT)
    wait_until(lambda: not observed.alerts("firing"), 60, "QwenDown is over")
