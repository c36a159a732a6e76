"""The flat-memory contract: what is taken at start stays, what may be taken is known before, and decoding allocates nothing."""

import json
import os
import subprocess
import sys
import time

import pytest

from harness import BINARY, MODEL, ROOT, Server, wait_until

sys.path.insert(0, str(ROOT / "packaging/soak"))

LONG = {"model": "chat", "messages": [{"role": "user", "content": "最近工作压力好大，晚上睡不着，你能多陪我说几句话吗？"}]}


# Without optimisation closures are allocated and stacks go deeper.
optimised = pytest.mark.skipif("/debug/" in str(BINARY), reason="holds for the release program")


def serve(folder, *arguments: str, prefix: tuple = ()) -> subprocess.CompletedProcess:
    """A responder on sockets of its own, for at most 20 s."""
    command = [*prefix, BINARY, "serve", "--model", MODEL, "--roles", "roles", "--socket", folder / "main", "--ops-socket", folder / "ops"]
    return subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=20)


@optimised
def test_a_short_soak_stays_flat(tmp_path):
    """Some thousand requests of every kind. Too few to bound the slope: the bound is on what memory grows by in all."""
    settings = ["--requests", "4000", "--hours", "0.02", "--clients", "6", "--sample-seconds", "0.5", "--model", MODEL]
    run = subprocess.run(
        [sys.executable, "packaging/soak/soak.py", tmp_path, *settings],
        cwd=ROOT, env={**os.environ, "BINARY": str(BINARY)}, capture_output=True, text=True,
    )
    import samples
    import slope

    measured = samples.read(tmp_path / "samples.csv")
    verdict = slope.judge(measured)
    print(run.stdout)
    assert measured[-1].requests > 200 and measured[-1].failures == 0, run.stdout + run.stderr
    budget = json.loads((tmp_path / "run.json").read_text())["budget_bytes"]
    assert max(sample.rss for sample in measured) < budget
    assert verdict.growth < 0.01 * verdict.resident, run.stdout
    assert len({sample.threads for sample in slope.warm(measured)}) <= 2  # those that load have ended, or end soon
    assert (tmp_path / "report.svg").read_text().startswith("<svg")


def test_a_soak_that_was_cut_short_can_be_reported(tmp_path):
    lines = ["seconds,phase,requests,calls,refusals,failures,rss,anonymous,virtual,descriptors,threads,cpu_seconds,label_p50,label_p99,reply_p50,reply_p99"]
    flat = [f"{n},plain,{n * 100},{n * 90},0,0,50000000,30000000,300000000,20,180,{n},5,9,nan,nan" for n in range(60)]
    growing = [line.replace("50000000", str(50_000_000 + 20_000 * n)) for n, line in enumerate(flat)]
    for name, rows, status in ("flat", flat, 0), ("growing", growing, 1):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "samples.csv").write_text("\n".join(lines + rows + [rows[-1][:20]]))
        run = subprocess.run([sys.executable, "packaging/soak/soak.py", folder, "--report-only"], cwd=ROOT, capture_output=True, text=True)
        assert run.returncode == status, run.stdout + run.stderr
        assert (folder / "report.svg").exists()
    assert "+200.000 bytes a request" in run.stdout


def test_start_is_refused_over_the_limit_of_the_control_group(tmp_path):
    groups = "/sys/fs/cgroup/memory" if os.path.isdir("/sys/fs/cgroup/memory") else "/sys/fs/cgroup"
    group, limit = f"{groups}/qwen-test-{os.getpid()}", "memory.limit_in_bytes" if groups.endswith("memory") else "memory.max"
    try:
        os.mkdir(group)
        if not os.path.exists(f"{group}/{limit}"):
            os.rmdir(group)
            pytest.skip("the memory controller is not on")
    except OSError as error:
        pytest.skip(f"no control group may be made here: {error}")
    try:
        with open(f"{group}/{limit}", "w") as file:
            file.write(str(400 << 20))
        enter = ("sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh")
        refused = serve(tmp_path, "--kv-tokens", "1000000", prefix=enter)
        assert refused.returncode == 1
        [line] = refused.stderr.splitlines()
        assert f"{group}/{limit}" in line and "400 MiB: lower --kv-tokens (now 1000000, " in line, line
        # The same, small enough, starts.
        started = serve(tmp_path, "--kv-tokens", "8192", prefix=("timeout", "-s", "TERM", "5", *enter))
        assert '"ready"' in started.stderr and '"memory budget"' in started.stderr, started.stderr
    finally:
        wait_until(lambda: not open(f"{group}/cgroup.procs").read(), 10, "the group is empty")
        os.rmdir(group)


def test_memory_history_survives_restarts(tmp_path):
    def history(server: Server) -> list[dict]:
        with server.client() as client:
            return client.get("/status.json").json()["memory"]["history"]

    def run(folder) -> list[dict]:
        start = time.time()
        server = Server(folder, OPTIONS="--snapshot-seconds 1")
        try:
            wait_until(lambda: [s for s in history(server) if s["time"] > start], 20, "a snapshot is taken")
            metrics = server.metrics()
            assert metrics["llm_memory_snapshot_resident_bytes"] == pytest.approx(metrics["process_resident_memory_bytes"], rel=0.2)
            assert abs(metrics["llm_memory_snapshot_timestamp_seconds"] - time.time()) < 60
            log = [json.loads(line) for line in (folder / "responder.log").read_text().splitlines()]
            assert any(line["message"] == "memory" and line["virtual_bytes"] > line["resident_bytes"] > 1 << 20 for line in log)
            return history(server)
        finally:
            assert server.stop() == 0

    first = run(tmp_path)
    second = run(tmp_path)
    assert first and second[: len(first)] == first and len(second) > len(first)
    # One that cannot be read is set aside and costs nothing else.
    (tmp_path / "state/memory.json").write_text('{"samples": [')
    assert run(tmp_path)[0]["time"] > second[-1]["time"]
    assert (tmp_path / "state/memory.json.bad").read_text() == '{"samples": ['


class Counter:
    """Allocations so far, by thread name, in a server that runs with Tests/Allocations/count.c."""

    def __init__(self, path):
        self.path, self.ask = path, path.with_name(path.name + ".ask")

    def __call__(self) -> dict[str, int]:
        self.ask.touch()
        wait_until(lambda: not self.ask.exists(), 10, "the allocations are counted")
        counts: dict[str, int] = {}
        for line in self.path.read_text().splitlines():
            name, calls = line.rsplit(",", 1)
            counts[name] = counts.get(name, 0) + int(calls)
        return counts


@optimised
def test_decoding_allocates_nothing(tmp_path):
    """Two replies that differ in length alone: what the longer one has more of is decoding."""
    library, counter = tmp_path / "count.so", Counter(tmp_path / "counts")
    subprocess.check_call(["cc", "-O2", "-shared", "-fPIC", "-o", library, ROOT / "Tests/Allocations/count.c", "-lpthread"])
    wrapper = tmp_path / "responder"
    wrapper.write_text(f'#!/bin/sh\nLD_PRELOAD={library} ALLOCATION_COUNTS={counter.path} exec {BINARY} "$@"\n')
    wrapper.chmod(0o755)
    # No self-check and no snapshot meanwhile.
    server = Server(tmp_path / "run", BINARY=str(wrapper), OPTIONS="--self-check-seconds 86400 --snapshot-seconds 86400")
    try:
        with server.client() as client:
            def spent(tokens: int) -> tuple[int, int]:
                """Allocations of the engine's threads for one reply, and its number of tokens."""
                before = counter()
                answer = client.post("/v1/chat/completions", json={**LONG, "max_tokens": tokens, "cache_salt": f"salt-{tokens}"})
                made = answer.json()["usage"]["completion_tokens"]
                after = counter()
                return sum(after[name] - before.get(name, 0) for name in after if name.startswith(("engine", "compute"))), made

            for _ in range(3):
                few, many = spent(4), spent(24)  # the first rounds fill what is filled once
            assert any(name.startswith("engine") for name in counter())
            print(f"{few[0]} allocations for {few[1]} tokens, {many[0]} for {many[1]}")
            assert many[1] >= few[1] + 10
            # One a token would be as many as there are more tokens; the prefix cache keeps more of the longer reply.
            assert many[0] - few[0] < (many[1] - few[1]) / 2
    finally:
        server.stop()
