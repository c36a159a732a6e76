#!/usr/bin/env python3
"""Every kind of traffic again and again against a responder under LeakSanitizer, which says at its end what nothing points to any
more. The library comes in by LD_PRELOAD: it takes malloc's place, and the program needs no build of its own."""

import glob
import os
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/EndToEnd"))

from harness import BINARY, Server  # noqa: E402
from traffic import KINDS, Client, Pace, Tally  # noqa: E402

ROUNDS = 20
LIBRARIES = "/usr/lib/*/liblsan.so.0"
STATUS = 23  # of a program that leaked
# The model file's two tables of strings are held as long as it is, by a pointer in an enum: Swift keeps the case in the pointer's
# upper bits, where the search cannot follow it.
SUPPRESSIONS = "leak:ByteCursorV11stringTable\n"
WRAPPER = """#!/bin/sh
LD_PRELOAD={library} LSAN_OPTIONS=exitcode={status}:log_path={log}:suppressions={suppressions}:print_suppressions=0 exec {binary} "$@"
"""


def main() -> int:
    libraries = glob.glob(LIBRARIES)
    if not libraries:
        print(f"no {LIBRARIES}: install liblsan0", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        log, wrapper, suppressions = (Path(folder) / name for name in ("leaks", "responder", "suppressions"))
        suppressions.write_text(SUPPRESSIONS)
        values = {"library": libraries[0], "status": STATUS, "log": log, "suppressions": suppressions}
        wrapper.write_text(WRAPPER.format(**values, binary=os.path.abspath(BINARY)))
        wrapper.chmod(0o755)
        tally = Tally()
        server = Server(Path(folder) / "run", BINARY=str(wrapper))
        try:
            client = Client(1, server, tally, threading.Event(), Pace())
            for kind in list(KINDS) * ROUNDS:
                tally.add(kind.__name__, kind(client), 0)
            server.metrics()
        finally:
            status = server.stop()
        found = "".join(path.read_text() for path in Path(folder).glob("leaks.*"))
    print(found[-6000:] + f"{tally.requests} requests; " + ("leaks" if found else "no leaks") + f"; exit status {status}")
    return 1 if found or status != 0 else 0


if __name__ == "__main__":
    sys.exit(main())
