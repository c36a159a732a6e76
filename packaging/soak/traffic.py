"""Mixed traffic through nginx, as many clients of many kinds make it: labels one by one and in batches, replies plain and
streamed, clients that leave, input that is refused, and bursts. Repeatable: what is sent depends on the seed alone."""

import http.client
import itertools
import json
import random
import socket
import ssl
import struct
import threading
import time

CHAT, CLASSIFY = "/v1/chat/completions", "/v1/classify"
TIMEOUT = 150  # seconds; nginx gives an answer up earlier

OPENINGS = ["今天", "昨天晚上", "这家店", "新买的手机", "酒店房间", "客服", "外卖", "这部电影", "老师讲的课", "周末的旅行", "The delivery", "😀"]
MIDDLES = ["真的", "一点也不", "比想象中", "说不上", "居然", "越来越", "有点", "特别", "really", "👍"]
ENDINGS = ["好", "失望", "喜欢", "糟糕", "满意", "难受", "值得再来", "不会再买", "舒服", "吵得睡不着", "awful", "🎉🎉", "yyds", "emo了"]


class Unexpected(Exception):
    """An answer that this kind of request must not get."""


class Connection:
    """One client's kept connection, from an address of its own: nginx limits the requests of each."""

    def __init__(self, port: int, context: ssl.SSLContext, address: str):
        self.port, self.context, self.address = port, context, address
        self.http: http.client.HTTPSConnection | None = None

    def open(self) -> http.client.HTTPSConnection:
        connection = http.client.HTTPSConnection(
            "localhost", self.port, timeout=TIMEOUT, context=self.context, source_address=(self.address, 0)
        )
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def request(self, method: str, path: str, body: bytes | None = None) -> http.client.HTTPResponse:
        """The answer's head. A kept connection that nginx has closed meanwhile is opened again, once."""
        kept = self.http is not None
        if not kept:
            self.http = self.open()
        try:
            self.http.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            return self.http.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLError):
            self.close()
            if not kept:
                raise
            return self.request(method, path, body)

    def leave(self, abruptly: bool):
        """Amid an answer: with a reset, or with the ordinary end of a TCP connection."""
        if self.http and self.http.sock and abruptly:
            self.http.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        if self.http:
            self.http.close()
        self.http = None


class Client(threading.Thread):
    """Sends one request after the other until told to end."""

    def __init__(self, number: int, server, tally: "Tally", over: threading.Event, pace: "Pace"):
        super().__init__(name=f"client-{number}", daemon=True)
        self.random = random.Random(number)
        context = ssl.create_default_context(cafile=str(server.certificate))
        self.connection = Connection(server.https_port, context, f"127.0.2.{1 + number % 250}")
        self.tally, self.over, self.pace = tally, over, pace
        self.kinds = list(KINDS)
        self.weights = [KINDS[kind] for kind in self.kinds]

    def run(self):
        while not self.over.is_set():
            self.pace.wait(self.over)
            kind = self.random.choices(self.kinds, self.weights)[0]
            start = time.perf_counter()
            try:
                inputs = kind(self)
                self.tally.add(kind.__name__, inputs, time.perf_counter() - start)
            except Exception as error:  # a soak goes on, and says so in the end
                self.tally.fail(kind.__name__, error)
                self.connection.close()
                self.over.wait(0.2)

    # What is said

    def text(self) -> str:
        pick = self.random.choice
        return "，".join(pick(OPENINGS) + pick(MIDDLES) + pick(ENDINGS) for _ in range(self.random.choice((1, 1, 2, 3, 6))))

    def conversation(self) -> list[dict]:
        turns = self.random.choice((0, 0, 1, 3))
        past = [{"role": role, "content": self.text()} for _ in range(turns) for role in ("user", "assistant")]
        return past + [{"role": "user", "content": self.text()}]

    def post(self, path: str, value, *expected: int) -> tuple[int, bytes]:
        """Status and whole answer; `expected` statuses beside 200, and 429 and 504, which only say that others were there."""
        body = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
        response = self.connection.request("POST", path, body)
        answer = response.read()
        if response.status not in (*(expected or (200,)), 429, 504):
            raise Unexpected(f"{path}: {response.status} {answer[:200]!r}")
        if response.status in (429, 504):
            self.tally.refused()
            self.over.wait(min(1, float(response.getheader("Retry-After") or 1)) * self.random.random())
        return response.status, answer


# One function a kind of request; each returns how many inputs it asked about, 0 if it was turned away.


def sentiment(client: Client) -> int:
    status, answer = client.post(CLASSIFY, {"model": client.random.choice(("sentiment", "sentiment", "triage", "offensive")), "input": client.text()})
    if status == 200 and json.loads(answer)["data"][0]["label"] is None:
        raise Unexpected("no label")
    return int(status == 200)


def batch(client: Client) -> int:
    inputs = [client.text() for _ in range(client.random.choice((8, 32, 64, 128, 256)))]
    status, answer = client.post(CLASSIFY, {"model": "sentiment", "input": inputs})
    if status == 200 and len(json.loads(answer)["data"]) != len(inputs):
        raise Unexpected("not every input has its label")
    return len(inputs) if status == 200 else 0


def chat(client: Client) -> int:
    request = {"model": "chat", "messages": client.conversation()}
    if client.random.random() < 0.3:
        request |= {"temperature": 0.8, "top_p": 0.9, "seed": client.random.randrange(1 << 30)}
    if client.random.random() < 0.2:
        request |= {"logprobs": True, "top_logprobs": 5}
    if client.random.random() < 0.3:
        request["cache_salt"] = f"{client.random.getrandbits(128):032x}"
    return int(client.post(CHAT, request)[0] == 200)


def choice(client: Client) -> int:
    choices = client.random.sample(["是", "否", "不一定", "以后再说"], 3)
    request = {"model": "chat", "messages": client.conversation(), "structured_outputs": {"choice": choices}}
    return int(client.post(CHAT, request)[0] == 200)


def stream(client: Client) -> int:
    request = {"model": "chat", "stream": True, "messages": client.conversation()}
    status, answer = client.post(CHAT, request)
    if status == 200 and not answer.rstrip().endswith(b"data: [DONE]"):
        raise Unexpected(f"a stream without its end: {answer[-200:]!r}")
    return int(status == 200)


def leaver(client: Client) -> int:
    """Goes away before the answer, or amid the stream."""
    body = json.dumps({"model": "chat", "stream": True, "messages": client.conversation()}, ensure_ascii=False).encode()
    if client.random.random() < 0.5:
        response = client.connection.request("POST", CHAT, body)
        response.read1(1 + client.random.randrange(400))
    else:
        client.connection.close()
        client.connection.http = client.connection.open()
        client.connection.http.request("POST", CHAT, body, {"Content-Type": "application/json"})
        time.sleep(client.random.random() * 0.02)
    client.connection.leave(abruptly=client.random.random() < 0.5)
    return 1


def bad(client: Client) -> int:
    """Input that stops at the door."""
    value, path = client.random.choice([
        (b'{"model": "chat", "messages": [', CHAT),
        (b"\xff\xfe", CLASSIFY),
        ({"model": "nobody", "input": "好"}, CLASSIFY),
        ({"model": "sentiment", "input": []}, CLASSIFY),
        ({"model": "chat", "messages": [{"role": "user", "content": "好" * 2500}]}, CHAT),
        ({"model": "chat", "messages": client.conversation(), "frequency_penalty": 1}, CHAT),
        (b'{"model": "sentiment", "input": "' + b"a" * (1 << 20) + b'"}', CLASSIFY),
        (b"[" * 5000, CLASSIFY),
    ])
    try:
        client.post(path, value, 400, 404, 413)
    except (ConnectionError, ssl.SSLError, http.client.HTTPException):
        client.connection.close()  # nginx may close the connection of a body that is too large before it has all of it
    return 1


def burst(client: Client) -> int:
    """Many at once, each over a connection of its own."""
    count = client.random.choice((8, 24, 60))
    address = itertools.cycle(f"127.0.3.{n}" for n in range(1, 250))
    answered, body = [], json.dumps({"model": "sentiment", "input": client.text()}, ensure_ascii=False).encode()

    def one(address: str):
        connection = Connection(client.connection.port, client.connection.context, address)
        try:
            response = connection.request("POST", CLASSIFY, body)
            response.read()
            answered.append(response.status)
        except (OSError, http.client.HTTPException):
            answered.append(0)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(next(address),)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if set(answered) - {200, 429}:
        raise Unexpected(f"a burst was answered {sorted(set(answered))}")
    return answered.count(200)


def page(client: Client) -> int:
    """What a status page open in a browser asks for."""
    response = client.connection.request("GET", client.random.choice(("/status.json", "/healthz", "/v1/models", "/readyz")))
    response.read()
    if response.status != 200:
        raise Unexpected(f"{response.status}")
    return 1


# How often each kind comes.
KINDS = {sentiment: 44, batch: 12, chat: 12, stream: 14, choice: 3, leaver: 5, bad: 6, burst: 0.3, page: 4}


class Pace:
    """At most so many requests a second together; 0: as fast as they are answered."""

    def __init__(self, per_second: float = 0):
        self.interval = 1 / per_second if per_second else 0
        self.lock, self.next = threading.Lock(), time.monotonic()

    def wait(self, over: threading.Event):
        if not self.interval:
            return
        with self.lock:
            self.next = max(self.next + self.interval, time.monotonic())
            due = self.next
        over.wait(max(0, due - time.monotonic()))


class Tally:
    """What all clients have done so far."""

    def __init__(self, requests: int = 0):
        self.lock = threading.Lock()
        self.requests, self.calls, self.refusals, self.failures = requests, 0, 0, 0
        self.times: dict[str, list[float]] = {}
        self.errors: list[str] = []

    def add(self, kind: str, inputs: int, seconds: float):
        with self.lock:
            self.requests += inputs
            self.calls += 1
            if inputs:
                self.times.setdefault(kind, []).append(seconds)

    def refused(self):
        with self.lock:
            self.refusals += 1

    def fail(self, kind: str, error: Exception):
        with self.lock:
            self.failures += 1
            if len(self.errors) < 100:
                self.errors.append(f"{kind}: {type(error).__name__}: {error}")

    def take_times(self) -> dict[str, list[float]]:
        """Seconds of each kind's answers since the last call."""
        with self.lock:
            times, self.times = self.times, {}
            return times
