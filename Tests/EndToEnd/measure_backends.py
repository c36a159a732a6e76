"""Measures classifications a second with one, two and three responders of one compute thread each. Not a test: the numbers
say something only on a machine with a core for each and for what asks. Usage: python measure_backends.py [seconds]"""

import sys
import tempfile
import time
from pathlib import Path

from cluster import Cluster

TEXTS = [f"第{n}次来，菜的味道还是很好，服务也热情，下次还会再来。" for n in range(16)]
CLIENTS = 4


def measure(upstreams: str, seconds: float) -> float:
    """Texts a second, asked in arrays of 16 by CLIENTS clients at once."""

    def ask(cluster: Cluster, until: float) -> int:
        done = 0
        with cluster.client() as client:
            while time.monotonic() < until:
                client.post("/v1/classify", json={"model": "sentiment", "input": TEXTS}).raise_for_status()
                done += len(TEXTS)
        return done

    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder), upstreams)
        try:
            cluster.inside(ask, cluster, time.monotonic() + 1)
            start = time.monotonic()
            with cluster.pool(CLIENTS) as pool:
                futures = [pool.submit(ask, cluster, start + seconds) for _ in range(CLIENTS)]
                return sum(future.result() for future in futures) / (time.monotonic() - start)
        finally:
            cluster.stop()


if __name__ == "__main__":
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    for upstreams in ("one", "instances", "three"):
        print(f"{upstreams}: {measure(upstreams, seconds):.0f} texts/s")
