"""The contestants that answer over HTTP, and transformers in a process of its own. All are context managers."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from common import BINARY, LLAMA, ROOT

READY_SECONDS = 120
# After which an answer is given up, and with it the run.
ANSWER_SECONDS = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A process with an HTTP interface; one kept connection for each thread that asks."""

    url: str
    context: ssl.SSLContext | None = None
    process: subprocess.Popen

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:  # llama.cpp's server finishes the step that it is in, which may be long
            self.process.kill()
            self.process.wait()

    def post(self, path: str, body: dict) -> dict:
        if not hasattr(self, "_local"):
            self._local = threading.local()
        connection = getattr(self._local, "connection", None)
        if connection is None:
            place = urlsplit(self.url)
            if self.context:
                connection = http.client.HTTPSConnection(
                    place.hostname, place.port, timeout=ANSWER_SECONDS, context=self.context
                )
            else:
                connection = http.client.HTTPConnection(place.hostname, place.port, timeout=ANSWER_SECONDS)
            self._local.connection = connection
        try:
            response = self._ask(connection, path, body)
        except (ConnectionError, http.client.RemoteDisconnected):  # servers end a kept connection after some requests or seconds
            connection.close()
            response = self._ask(connection, path, body)
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"{self.url}{path} answered {response.status}: {content[:300]!r}")
        return json.loads(content)

    @staticmethod
    def _ask(connection: http.client.HTTPConnection, path: str, body: dict) -> http.client.HTTPResponse:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        return connection.getresponse()

    def resident_bytes(self, pid: int | None = None) -> int:
        status = Path(f"/proc/{pid or self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def _wait(self, is_ready):
        deadline = time.monotonic() + READY_SECONDS
        while not is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.process.args[0]} did not become ready; its output is in {self.log}")
            time.sleep(0.05)


class Ours(Server):
    """The real service behind the real nginx, with TLS, as `make run` starts it."""

    def __init__(self, model: Path, threads: int, folder: Path, roles: Path):
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.url = f"https://localhost:{port}"
        self.log = folder / "output.txt"
        settings = {"BINARY": BINARY, "MODEL": model, "RUN_DIR": folder, "HTTPS_PORT": port, "HTTP_PORT": free_port()}
        settings |= {"THREADS": threads, "ROLES": roles}
        environment = {**os.environ, **{name: str(value) for name, value in settings.items()}}
        with self.log.open("wb") as output:
            command = ["env", "--default-signal=INT", ROOT / "packaging/dev/run.sh"]
            self.process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        self._wait(lambda: "Ready:" in self.log.read_text())
        self.context = ssl.create_default_context(cafile=str(folder / "localhost.pem"))
        self.responder = int((folder / "responder.pid").read_text())


class LlamaServer(Server):
    """llama.cpp's server; every slot has a context of 512 tokens and keeps its last prompt."""

    def __init__(self, model: Path, threads: int, folder: Path, slots: int, flash_attention: bool):
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / f"llama-server-{slots}-{'on' if flash_attention else 'off'}.txt"
        command = [LLAMA / "llama-server", "-m", model, "--host", "127.0.0.1", "--port", str(port)]
        command += ["-t", str(threads), "-np", str(slots), "-c", str(512 * slots), "--cache-ram", "0"]
        command += ["-fa", "on" if flash_attention else "off"]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        self._wait(self._is_healthy)

    def _is_healthy(self) -> bool:
        try:
            place = urlsplit(self.url)
            connection = http.client.HTTPConnection(place.hostname, place.port, timeout=5)
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def complete(self, prompt: str, tokens: int, grammar: str | None = None, **more) -> dict:
        body = {"prompt": prompt, "n_predict": tokens, "temperature": 0, "samplers": ["temperature"]}
        return self.post("/completion", body | {"cache_prompt": True} | ({"grammar": grammar} if grammar else {}) | more)

    def token_ids(self, prompt: str) -> list[int]:
        return self.post("/tokenize", {"content": prompt, "parse_special": True, "add_special": False})["tokens"]


class Transformers:
    """transformers on the same shape in F32 with random weights; `generate` gives seconds."""

    def __init__(self, threads: int):
        command = [sys.executable, Path(__file__).with_name("transformers_worker.py"), str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.version = json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=60)

    def generate(self, ids: list[int], tokens: int) -> float:
        self.process.stdin.write(json.dumps({"ids": ids, "tokens": tokens}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["seconds"]
