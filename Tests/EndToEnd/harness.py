"""Starts and stops the development server (packaging/dev/run.sh) and speaks to it."""

import itertools
import os
import re
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("BINARY") or ROOT / ".build/release/qwen-all-in-one")
MODEL = os.environ.get("MODEL") or "models/starter.gguf"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds: float, what: str):
    """Polls until `condition()` is truthy and returns its value; fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


class Server:
    """One running responder with its nginx, on ports and in a folder of its own."""

    _clients = itertools.count()

    def __init__(self, run_dir: Path, **settings: str):
        self.run_dir = run_dir
        self.https_port, self.http_port = free_port(), free_port()
        self.url = f"https://localhost:{self.https_port}"
        self.certificate = run_dir / "localhost.pem"
        environment = {
            **os.environ,
            "BINARY": str(BINARY),
            "MODEL": MODEL,
            "RUN_DIR": str(run_dir),
            "HTTPS_PORT": str(self.https_port),
            "HTTP_PORT": str(self.http_port),
            **settings,
        }
        self.output = run_dir / "output.txt"
        run_dir.mkdir(parents=True, exist_ok=True)
        with self.output.open("wb") as output:
            # A background job's children ignore Ctrl-C, which a shell script cannot undo for itself.
            command = ["env", "--default-signal=INT", ROOT / "packaging/dev/run.sh"]
            self.process = subprocess.Popen(
                command, env=environment, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            wait_until(self._ready_or_ended, 300, f"the server is ready: {self.text()}")
        except AssertionError:
            self.stop()
            raise
        assert self.process.poll() is None, f"the server did not start: {self.text()}"

    def _ready_or_ended(self):
        return re.search("^(Ready|Not ready):", self.text(), re.MULTILINE) or self.process.poll() is not None

    def text(self) -> str:
        return self.output.read_text()

    @property
    def pid(self) -> int:
        """The responder's process id."""
        return int((self.run_dir / "responder.pid").read_text())

    def client(self, http2: bool = False, local_address: str | None = None) -> httpx.Client:
        """An HTTP client that trusts exactly the server's own certificate.

        local_address: as who it comes, such as 127.0.0.2; by default each client has an address of its own, since nginx
        limits the requests of each address."""
        n = next(self._clients)
        local_address = local_address or f"127.1.{n // 250 % 250}.{1 + n % 250}"
        context = ssl.create_default_context(cafile=str(self.certificate))
        transport = httpx.HTTPTransport(verify=context, trust_env=False, http2=http2, local_address=local_address)
        return httpx.Client(base_url=self.url, transport=transport, timeout=60)

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics by its name with labels."""
        with self.client() as client:
            text = client.get("/metrics").text
        return {m[1]: float(m[2]) for m in re.finditer(r"^([a-z_]+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)}

    def resident_bytes(self) -> int:
        return self._memory("VmRSS")

    def peak_resident_bytes(self) -> int:
        return self._memory("VmHWM")

    def _memory(self, name: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        """Ends the server and returns the script's exit status."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        return self.process.wait(timeout=60)
