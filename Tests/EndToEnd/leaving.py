"""Clients that go away amid a request: over HTTP/1.1 and HTTP/2, politely and not, at random but repeatable times."""

import json
import random
import select
import socket
import ssl
import struct
import time

import h2.config
import h2.connection
import h2.errors
import h2.events

WORDS = ["今天", "工作", "有点累", "天气", "很好", "朋友", "晚饭", "电影", "想家", "开心", "排队", "下雨"]


def body(random: random.Random) -> tuple[str, bytes]:
    """A path and a request of a kind that takes a while: queue, prefill or decode."""
    def text(count: int) -> str:
        return "，".join(random.choice(WORDS) for _ in range(count))

    kind = random.randrange(4)
    if kind == 0:
        value = {"model": "sentiment", "input": [text(20) for _ in range(64)]}
        return "/v1/classify", json.dumps(value, ensure_ascii=False).encode()
    messages = []
    for _ in range(random.randrange(1, 8) if kind == 1 else 1):
        messages += [{"role": "user", "content": text(12)}, {"role": "assistant", "content": text(8)}]
    messages.append({"role": "user", "content": text(5)})
    value = {"model": "chat", "stream": kind != 2, "messages": messages, "cache_salt": str(random.randrange(10))}
    return "/v1/chat/completions", json.dumps(value, ensure_ascii=False).encode()


class Leaver:
    """Sends requests to one server and leaves each before its end, or just after it."""

    def __init__(self, port: int, certificate, seed: int):
        self.address, self.random = ("127.0.0.1", port), random.Random(seed)
        self.source = (f"127.0.1.{1 + seed % 250}", 0)  # nginx limits the requests of each address
        self.context = ssl.create_default_context(cafile=str(certificate))

    def connect(self, protocol: str) -> ssl.SSLSocket:
        self.context.set_alpn_protocols([protocol])
        plain = socket.create_connection(self.address, timeout=60, source_address=self.source)
        return self.context.wrap_socket(plain, server_hostname="localhost")

    def pause(self, connection: ssl.SSLSocket, send=b""):
        """Until the time to leave: right away, later, or once a first byte is there."""
        kind = self.random.randrange(4)
        if kind == 0:
            return
        if kind == 3:
            select.select([connection], [], [], 20)
        else:
            time.sleep(self.random.random() * (0.02 if kind == 1 else 0.3))

    def leave_http1(self, abruptly: bool):
        path, content = body(self.random)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        connection = self.connect("http/1.1")
        connection.sendall(head.encode() + content)
        self.pause(connection)
        if abruptly:  # a TCP reset and no goodbye of TLS
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            connection.settimeout(0.2)
            try:
                connection.unwrap()
            except OSError:
                pass
        connection.close()

    def leave_http2(self, streams: int):
        """Several requests over one connection, each reset (RST_STREAM, CANCEL); the connection then serves one more."""
        connection = self.connect("h2")
        http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        http.initiate_connection()
        for _ in range(streams):
            path, content = body(self.random)
            stream = self._post(http, path, content)
            connection.sendall(http.data_to_send())
            self.pause(connection)
            self._receive(connection, http)
            try:
                http.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
            except h2.exceptions.StreamClosedError:
                pass
            connection.sendall(http.data_to_send())
        last = self._post(http, "/v1/classify", json.dumps({"model": "sentiment", "input": "今天真开心"}).encode())
        connection.sendall(http.data_to_send())
        status, ended, deadline = None, False, time.monotonic() + 60
        while not ended and time.monotonic() < deadline:
            for event in self._receive(connection, http, 1):
                if getattr(event, "stream_id", None) != last:
                    continue
                if isinstance(event, h2.events.ResponseReceived):
                    status = dict(event.headers)[":status"]
                ended = ended or isinstance(event, h2.events.StreamEnded)
        connection.close()
        assert status == "200" and ended, f"the connection's last request: {status}"

    @staticmethod
    def _post(http: h2.connection.H2Connection, path: str, content: bytes) -> int:
        stream = http.get_next_available_stream_id()
        headers = [(":method", "POST"), (":scheme", "https"), (":authority", "localhost"), (":path", path),
                   ("content-type", "application/json"), ("content-length", str(len(content)))]
        http.send_headers(stream, headers)
        http.send_data(stream, content, end_stream=True)
        return stream

    @staticmethod
    def _receive(connection: ssl.SSLSocket, http: h2.connection.H2Connection, timeout: float = 0) -> list:
        """What has come; acknowledges it."""
        events = []
        while connection.pending() or select.select([connection], [], [], timeout)[0]:
            data = connection.recv(65536)
            if not data:
                raise ConnectionError("the server closed the connection")
            events += http.receive_data(data)
            for event in events:
                if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                    http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    event.flow_controlled_length = 0
            timeout = 0
        connection.sendall(http.data_to_send())
        return events
