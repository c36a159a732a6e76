"""What a responder takes once it has started: memory, and processor time while nobody asks for anything."""

import os
import re
import subprocess

from harness import BINARY, MODEL, ROOT


def test_memory_is_weights_and_kv_arena_and_rest_is_free():
    output = subprocess.check_output(
        ["packaging/bench/start.py", MODEL, "--rounds", "1", "--idle-seconds", "5"],
        cwd=ROOT,
        env={**os.environ, "BINARY": str(BINARY)},
        text=True,
    )
    print(output)
    beyond = float(re.search(r"(\S+) MB beyond weights and KV arena", output)[1])
    assert 0 < beyond <= 60
    ticks, milliseconds, wakeups = map(float, re.search(r": (\d+) ticks, (\S+) ms, (\d+) wake-ups", output).groups())
    # The memory curve, the watchdog and the self-check look up now and then.
    assert ticks <= 1 and milliseconds < 20 and wakeups < 50
