"""What ends the service or makes it stand still: it is back by itself, and its clients get answers or clear errors.

Printed, with pytest -s: the time from the blow to the first answer to a request sent after it."""

import os
import signal
import subprocess
import time

from machine import wait_until
from stopping import StoppedThread
from web import CHAT, CLASSIFY, Clients, ask

UNIT = "qwen-all-in-one.service"
# What a client hears of a service that is gone for a moment, unless it gets its answer.
GONE = (503, "service_unavailable")


def drop_in(machine, text: str):
    """Settings of this test alone; the service starts anew with them."""
    folder = machine.path(f"/etc/systemd/system/{UNIT}.d")
    folder.mkdir(exist_ok=True)
    (folder / "test.conf").write_text(f"[Service]\n{text}\n")
    machine.shell(f"systemctl daemon-reload && systemctl restart {UNIT}")


def remove_drop_in(machine):
    machine.shell(f"rm -r /etc/systemd/system/{UNIT}.d && systemctl daemon-reload && systemctl restart {UNIT}")


def restarts(machine) -> int:
    return int(machine.run("systemctl", "show", "--property=NRestarts", "--value", UNIT).stdout)


def answered_again(machine, since: float, what: str):
    """Asks once: the request waits in the socket until the next process takes it."""
    code, body = ask(machine, "/v1/classify", CLASSIFY)
    print(f"\n  {what}: answered {time.monotonic() - since:.2f} s after")
    assert code == 200 and '"正面"' in body


def test_verify_says_nothing(machine):
    units = machine.shell("cd /lib/systemd/system && ls -d qwen-all-in-one*").split()
    assert len(units) == 9
    check = machine.run("systemd-analyze", "verify", *(unit.replace("@.", "@1.") for unit in units))
    assert [line for line in (check.stdout + check.stderr).splitlines() if "qwen" in line] == []


def test_is_locked_down(machine):
    for unit in (UNIT, "qwen-all-in-one@1.service", "qwen-all-in-one-bridge@main.service"):
        check = machine.run("systemd-analyze", "security", "--threshold=10", unit, check=False)
        print(f"\n  {check.stdout.strip().splitlines()[-1]}")
        assert check.returncode == 0


def is_caught_amid_a_stream(pid: int, streams: Clients) -> bool:
    """Holds the process for a look; lets it go on if what clients have so far is whole."""
    os.kill(pid, signal.SIGSTOP)
    time.sleep(0.1)  # what it has sent is on its way
    if streams.is_one_amid_its_stream():
        return True
    os.kill(pid, signal.SIGCONT)
    return False


def test_killed_amid_streams(machine):
    before, pid = restarts(machine), machine.main_pid()
    streams = Clients(machine, "/v1/chat/completions", CHAT, count=8)
    labels = Clients(machine, "/v1/classify", CLASSIFY, count=4)
    wait_until(lambda: streams.count() > 8 and labels.count() > 4, 60, "clients are answered")
    wait_until(lambda: is_caught_amid_a_stream(pid, streams), 120, "a stream is under way")
    os.kill(pid, signal.SIGKILL)
    answered_again(machine, time.monotonic(), "killed")
    seen = streams.count()
    wait_until(lambda: streams.count() > seen + 16, 60, "streams are answered again")
    answers, labelled = streams.stop(), labels.stop()
    assert restarts(machine) == before + 1 and machine.main_pid() != pid
    broken = [answer for answer in answers + labelled if not answer.is_complete]
    cut = [answer for answer in broken if answer.is_cut_off]
    print(f"  {len(answers)} streams, {len(labelled)} labels; cut off {len(cut)}, refused {len(broken) - len(cut)}")
    # What had not begun is refused in the API's shape.
    assert cut and len(broken) <= 12
    assert {(answer.status, answer.error) for answer in broken if answer not in cut} <= {GONE}


def test_stopped_process(machine):
    drop_in(machine, "WatchdogSec=4")
    before, pid = restarts(machine), machine.main_pid()
    waiting = Clients(machine, "/v1/classify", CLASSIFY, count=2)
    wait_until(lambda: waiting.count() > 4, 60, "clients are answered")
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: restarts(machine) > before, 60, "the watchdog restarts it")
    answered_again(machine, time.monotonic(), "watchdog, the process stopped")
    answers = waiting.stop()
    assert restarts(machine) == before + 1 and machine.main_pid() != pid
    assert {(answer.status, answer.error) for answer in answers if not answer.is_complete} <= {GONE}
    assert "Watchdog timeout" in machine.run("journalctl", f"--unit={UNIT}", "--lines=50").stdout
    remove_drop_in(machine)


def test_stopped_engine_thread(machine):
    """The other threads go on: health answers and says so, and the watchdog is not fed."""
    drop_in(machine, "WatchdogSec=4")
    before, pid = restarts(machine), machine.main_pid()
    engine = StoppedThread(pid, "engine")
    asked = time.monotonic()
    waiting = Clients(machine, "/v1/classify", CLASSIFY, count=2)
    wait_until(lambda: ask(machine, "/healthz")[0] == 503, 60, "it says that the engine is stuck")
    assert machine.main_pid() == pid
    wait_until(engine.has_ended, 60, "the watchdog ends it")
    print(f"\n  the watchdog ended it {time.monotonic() - asked:.0f} s after the engine's thread stopped")
    answered_again(machine, time.monotonic(), "watchdog, the engine's thread stopped")
    answers = waiting.stop()
    assert restarts(machine) == before + 1 and any(answer.is_complete for answer in answers)
    assert {(answer.status, answer.error) for answer in answers if not answer.is_complete} <= {GONE}
    remove_drop_in(machine)


def test_memory_limit(machine):
    """Something in the service's group takes more than MemoryMax: the kernel ends the largest process, the responder."""
    drop_in(machine, "MemoryMax=300M\nOOMScoreAdjust=900")
    before, pid = restarts(machine), machine.main_pid()
    clients = Clients(machine, "/v1/classify", CLASSIFY, count=2)
    wait_until(lambda: clients.count() > 4, 60, "clients are answered")
    groups = open(f"/proc/{pid}/cgroup").read().splitlines()
    fields = [line.split(":", 2) for line in groups]
    path = next((f"memory{path}" for _, name, path in fields if name == "memory"), None) or next(
        path for _, name, path in fields if name == ""
    )
    group = f"/sys/fs/cgroup/{path.lstrip('/')}"
    script = f"import os; open('{group}/cgroup.procs', 'w').write(str(os.getpid())); block = bytearray(b'x') * (400 << 20)"
    taken = subprocess.Popen(["python3", "-c", script])
    wait_until(lambda: restarts(machine) > before, 60, "the kernel ends it, systemd restarts it")
    answered_again(machine, time.monotonic(), "memory limit")
    taken.kill()
    taken.wait()
    answers = clients.stop()
    assert {(answer.status, answer.error) for answer in answers if not answer.is_complete} <= {GONE}
    remove_drop_in(machine)
