"""The check of the model against what it was at the first start: with the real program and a damaged file."""

import os
import re
import shutil
from pathlib import Path

import pytest

from harness import MODEL, ROOT, Server, wait_until

LABEL = {"model": "sentiment", "input": "今天真开心"}


@pytest.fixture()
def model(tmp_path) -> Path:
    """A copy of the model that a test may damage."""
    if not (ROOT / MODEL).is_file():
        pytest.skip("MODEL is a folder")
    return Path(shutil.copy(ROOT / MODEL, tmp_path / "model.gguf"))


def flip_a_bit(path: Path, offset: int):
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 4]))


def self_check(client) -> dict:
    return client.get("/status.json").json()["self_check"]


def test_a_flipped_bit_in_the_file_is_found_at_the_next_start(tmp_path, model):
    def start() -> Server:
        return Server(tmp_path / "run", MODEL=str(model))

    first = start()
    with first.client() as client:
        assert wait_until(lambda: self_check(client)["result"] == "match", 60, "a first check")
        assert client.post("/v1/classify", json=LABEL).status_code == 200
    assert first.stop() == 0
    assert (tmp_path / "run/state/golden.json").stat().st_mode & 0o777 == 0o600

    # One bit of a weight, and the file looks untouched.
    before = model.stat()
    flip_a_bit(model, before.st_size // 2)
    os.utime(model, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = start()
    with second.client() as client:
        wait_until(lambda: self_check(client)["result"] == "mismatch", 60, "the damage is found")
        reason = self_check(client)["reason"]
        assert re.search(r" in 1 of \d+ parts \(blk\.\d+\.[a-z_.]+\); restore", reason), reason
        ready = client.get("/readyz")
        assert ready.status_code == 503 and reason in ready.json()["error"]["message"]
        refused = client.post("/v1/classify", json=LABEL)
        assert refused.status_code == 503 and refused.json()["error"]["code"] == "self_check_failed"
        assert client.get("/healthz").status_code == 200
        assert second.metrics()['llm_self_checks_total{result="mismatch"}'] == 1
    assert "self-check failed" in (tmp_path / "run/responder.log").read_text()
    assert second.stop() == 0

    flip_a_bit(model, before.st_size // 2)
    third = start()
    with third.client() as client:
        wait_until(lambda: self_check(client)["result"] == "match", 60, "the restored file is accepted")
        assert client.get("/readyz").status_code == 200
    assert third.stop() == 0


def test_checks_again_and_again_when_idle(tmp_path):
    server = Server(tmp_path, OPTIONS="--self-check-seconds 1")
    matches = 'llm_self_checks_total{result="match"}'
    wait_until(lambda: server.metrics()[matches] >= 3, 60, "three checks")
    assert server.metrics()['llm_self_checks_total{result="mismatch"}'] == 0
    assert server.stop() == 0
