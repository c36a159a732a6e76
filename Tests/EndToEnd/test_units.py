"""The systemd units: accepted without a word, locked down, and the instances' ones true to the single one's."""

import difflib
import shutil
import subprocess

import pytest

from harness import BINARY, ROOT

UNITS = ROOT / "systemd"
TO_VERIFY = [
    "qwen-all-in-one.service", "qwen-all-in-one-main.socket", "qwen-all-in-one-ops.socket",
    "qwen-all-in-one@1.service", "qwen-all-in-one-main@1.socket", "qwen-all-in-one-ops@1.socket",
    "qwen-all-in-one-bridge-main.socket", "qwen-all-in-one-bridge-ops.socket", "qwen-all-in-one-bridge@main.service",
]

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze: install systemd")


@pytest.fixture()
def units(tmp_path):
    """The units with the program where it is built."""
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/usr/bin/qwen-all-in-one", str(BINARY))
        (tmp_path / unit.name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", TO_VERIFY)
def test_verifies_without_a_word(units, name):
    if not (units / name).exists():
        template, suffix = name.split("@")[0], name.rsplit(".", 1)[1]
        shutil.copy(units / f"{template}@.{suffix}", units / name)
    check = subprocess.run(["systemd-analyze", "verify", units / name], capture_output=True, text=True)
    # What is wrong in units of the system itself is not for this test to say.
    said = [line for line in (check.stdout + check.stderr).splitlines() if "qwen" in line]
    assert check.returncode == 0 and said == []


@pytest.mark.parametrize("name", [unit.name for unit in sorted(UNITS.glob("*.service"))])
def test_is_locked_down(units, name):
    check = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=10", units / name], capture_output=True, text=True
    )
    assert check.returncode == 0, check.stdout[-300:]


def changed_lines(one: str, other: str) -> set[str]:
    """What differs once the names of the single unit's parts are those of an instance's."""
    text = (UNITS / one).read_text().replace("-main.socket", "-main@%i.socket").replace("-ops.socket", "-ops@%i.socket")
    text = text.replace("Service=qwen-all-in-one.service", "Service=qwen-all-in-one@%i.service")
    text = text.replace("Description=Qwen All-in-One", "Description=Qwen All-in-One %i")
    text = text.replace("/run/qwen-all-in-one/", "/run/qwen-all-in-one/%i/")
    text = text.replace("StateDirectory=qwen-all-in-one", "StateDirectory=qwen-all-in-one-%i")
    lines = difflib.ndiff(text.splitlines(), (UNITS / other).read_text().splitlines())
    return {line for line in lines if line[0] in "+-" and not line.startswith("+ #")}


def test_instances_differ_only_in_their_names():
    for part in ("main", "ops"):
        assert changed_lines(f"qwen-all-in-one-{part}.socket", f"qwen-all-in-one-{part}@.socket") == set()
    own = "+ EnvironmentFile=-/etc/default/qwen-all-in-one-%i"
    assert changed_lines("qwen-all-in-one.service", "qwen-all-in-one@.service") == {own}
