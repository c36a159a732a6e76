"""The site in the machine, and its clients: curl over TLS, as from a browser on the same machine."""

import json
import time
from dataclasses import dataclass

NAME = "qwen.example.org"
CURL = f"curl -sS --cacert /etc/ssl/qwen-all-in-one/fullchain.pem --resolve {NAME}:443:127.0.0.1"
DEFAULTS = "/etc/default/qwen-all-in-one"
CLASSIFY = '{"model": "sentiment", "input": "今天真开心"}'
CHAT = '{"model": "chat", "stream": true, "messages": [{"role": "user", "content": "最近工作压力好大"}]}'


def enable_site(machine):
    """What README.Debian says, with a certificate of the machine's own."""
    machine.shell(f"""
        install -d -m 700 /etc/ssl/qwen-all-in-one && cd /etc/ssl/qwen-all-in-one
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={NAME} \\
            -addext subjectAltName=DNS:{NAME} -keyout privkey.pem -out fullchain.pem 2>/dev/null
        ln -s ../sites-available/qwen-all-in-one /etc/nginx/sites-enabled/
        nginx -t -q && systemctl reload nginx
        {CURL} -o /dev/null --retry 30 --retry-delay 1 --retry-connrefused https://{NAME}/""")


def ask(machine, path: str, body: str | None = None) -> tuple[int, str]:
    """Status and body of one request."""
    data = f"-d '{body}'" if body else ""
    text, _, status = machine.shell(f"{CURL} -w '\\n%{{http_code}}' {data} https://{NAME}{path}").rpartition("\n")
    return int(status), text


def status(machine) -> dict:
    return json.loads(ask(machine, "/status.json")[1])


@dataclass
class Answer:
    status: int
    body: str
    transport_error: str = ""  # curl's, such as that the last chunk is missing

    @property
    def error(self) -> str | None:
        """The code of the error, in the body or in the last event; None in a complete answer."""
        try:
            event = self.body.split("data: ")[-1] if self.body.startswith("data: ") else self.body
            return json.loads(event).get("error", {}).get("code")
        except json.JSONDecodeError:
            return None

    @property
    def is_complete(self) -> bool:
        return self.status == 200 and (self.body.rstrip().endswith("[DONE]") or self.body.startswith("{"))

    @property
    def is_cut_off(self) -> bool:
        """A stream that ended amid the reply, and whose client was told so."""
        return self.status == 200 and "[DONE]" not in self.body and not self.error and self.transport_error.startswith("curl: ")


class Clients:
    """Clients that ask one request after the other until they are told to stop, each from an address of its own."""

    def __init__(self, machine, path: str, body: str, count: int, pause: float = 0):
        self.machine = machine
        self.folder = f"/var/tmp/clients-{time.monotonic_ns()}"
        machine.shell(f"mkdir {self.folder}")
        loop = """
            n=0
            while [ ! -e {folder}/stop ]; do
                n=$((n + 1))
                {curl} -N --interface 127.0.1.{client} -o {folder}/{client}.$n.body -w '%{{http_code}}' -d '{body}' \\
                    https://{name}{path} >{folder}/{client}.$n.status 2>{folder}/{client}.$n.error || true
                sleep {pause}
            done"""
        self.running = [
            machine.start(loop.format(
                folder=self.folder, curl=CURL, client=client, body=body, name=NAME, path=path, pause=pause
            ))
            for client in range(1, count + 1)
        ]

    def count(self) -> int:
        """Requests that have ended."""
        return sum(file.stat().st_size > 0 for file in self.machine.path(self.folder).glob("*.status"))

    def is_one_amid_its_stream(self) -> bool:
        for body in self.machine.path(self.folder).glob("*.body"):
            text = body.read_text(errors="replace")
            if text.startswith("data: ") and "[DONE]" not in text and body.with_suffix(".status").stat().st_size == 0:
                return True
        return False

    def stop(self) -> list[Answer]:
        """All answers, in no order."""
        self.machine.shell(f"touch {self.folder}/stop")
        for client in self.running:
            assert client.wait(120) == 0
        answers = []
        for file in self.machine.path(self.folder).glob("*.status"):
            body = file.with_suffix(".body")
            said = file.with_suffix(".error").read_text()
            answers.append(Answer(int(file.read_text()), body.read_text() if body.exists() else "", said))
        return answers


