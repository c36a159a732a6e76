"""A Prometheus of the tests' own, and what expressions are made of."""

import re
import subprocess
from pathlib import Path

import httpx

from harness import ROOT, free_port, wait_until

RULES = ROOT / "packaging/prometheus/rules.yml"

# Lists of labels, ranges and offsets hold words that are no metrics.
NO_METRICS = re.compile(r"\b(?:by|without|on|ignoring)\s*\([^)]*\)|\[[^\]]*\]|\boffset\s+\w+")
# A name with its matchers, if it is no function's.
SELECTOR = re.compile(r"(?<![\w:.])([a-zA-Z_:][\w:]*)(\{[^}]*\})?(?![\w:{])(?!\s*\()")
OPERATORS = {"and", "or", "unless", "bool"}


def selectors(expression: str) -> set[tuple[str, str]]:
    """The (metric, matchers) that an expression reads; matchers as written, or empty."""
    found = SELECTOR.findall(NO_METRICS.sub(" ", expression))
    return {(name, matchers) for name, matchers in found if name not in OPERATORS}


class Prometheus:
    """One Prometheus on the loopback address, its data in `folder`, which holds its prometheus.yml."""

    def __init__(self, folder: Path):
        port = free_port()
        self.log = folder / "prometheus.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
                 f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"],
                stdout=log, stderr=subprocess.STDOUT,
            )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30)
        try:
            wait_until(self._ready, 60, "Prometheus is ready")
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}: {self.log.read_text()}") from None

    def _ready(self) -> bool:
        assert self.process.poll() is None, "Prometheus ended"
        try:
            return self.http.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def get(self, path: str, **parameters):
        """The `data` of an answer of the HTTP API."""
        answer = self.http.get(f"/api/v1/{path}", params=parameters).json()
        assert answer["status"] == "success", (parameters, answer)
        return answer["data"]

    def query(self, expression: str) -> list[dict]:
        """The samples of an instant vector."""
        return self.get("query", query=expression)["result"]

    def rules(self, kind: str) -> list[dict]:
        """All rules of a kind: `recording` or `alerting`."""
        rules = [rule for group in self.get("rules")["groups"] for rule in group["rules"]]
        return [rule for rule in rules if rule["type"] == kind]

    def alerts(self, state: str) -> set[tuple[str, str]]:
        """(alert, instance) in the state `pending` or `firing`."""
        labels = [alert["labels"] for alert in self.get("alerts")["alerts"] if alert["state"] == state]
        return {(each["alertname"], each.get("instance", "")) for each in labels}

    def stop(self):
        self.http.close()
        self.process.terminate()
        self.process.wait(timeout=60)
