"""Clients that ask and do not read: they are cut off, and cost no one else anything."""

import json
import socket
import ssl
import struct
import time

import pytest

from harness import wait_until

CLASSIFY = "/v1/classify"
LABELS = [f"第{n}种很长很长的标签名称" for n in range(64)]
# Its answer has about 1 MB, more than the buffers of a socket hold.
LARGE = json.dumps({"labels": LABELS, "instruction": "选一个。", "input": ["好"] * 256}).encode()
PLAIN = {"model": "sentiment", "input": "今天真开心"}


def pair(name: str, value: str) -> bytes:
    return struct.pack(">II", len(name) | 1 << 31, len(value) | 1 << 31) + name.encode() + value.encode()


def record(kind: int, content: bytes = b"") -> bytes:
    return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content


def fastcgi_request(path: str, body: bytes) -> bytes:
    """As nginx sends it (FastCGI 1.0, sections 3.3 and 5)."""
    parameters = {"REQUEST_METHOD": "POST", "DOCUMENT_URI": path, "CONTENT_LENGTH": str(len(body)), "REMOTE_ADDR": "192.0.2.9"}
    bytes_ = record(1, struct.pack(">HB5x", 1, 0)) + record(4, b"".join(pair(*p) for p in parameters.items())) + record(4)
    for start in range(0, len(body), 32768):
        bytes_ += record(5, body[start:start + 32768])
    return bytes_ + record(5)


def busy(client) -> int:
    return client.get("/status.json").json()["workers"]["busy"]


def others_are_served(client, seconds: float):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert client.post(CLASSIFY, json=PLAIN).status_code == 200
        time.sleep(0.05)


def test_a_web_server_that_stops_reading(server):
    """At the socket itself: nothing is taken of an answer that is larger than the kernel's buffers."""
    with server.client() as client, socket.socket(socket.AF_UNIX) as stalled:
        wait_until(lambda: busy(client) == 0, 30, "idle workers before")
        stalled.connect(str(server.run_dir / "main.sock"))
        stalled.sendall(fastcgi_request(CLASSIFY, LARGE))
        wait_until(lambda: busy(client) == 1, 30, "its worker is at work")
        others_are_served(client, 3)
        wait_until(lambda: busy(client) == 0, 60, "its worker is free again")
        # What it may still read is what the kernel holds, not the answer, and it is told so.
        stalled.settimeout(5)
        read = 0
        with pytest.raises(ConnectionResetError):
            while piece := stalled.recv(65536):
                read += len(piece)
        assert 0 < read < 600_000, read


def test_browsers_that_stop_reading(server):
    """Through nginx, eight at once, with a receive buffer of a few kilobytes."""
    head = f"POST {CLASSIFY} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(LARGE)}\r\n\r\n".encode()
    context = ssl.create_default_context(cafile=str(server.certificate))
    stalled = []
    with server.client() as client:
        wait_until(lambda: busy(client) == 0, 30, "idle workers before")
        for _ in range(8):
            plain = socket.socket()
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.connect(("127.0.0.1", server.https_port))
            connection = context.wrap_socket(plain, server_hostname="localhost")
            connection.sendall(head + LARGE)
            stalled.append(connection)
        others_are_served(client, 3)
        wait_until(lambda: busy(client) == 0, 120, "all workers are free again")
        others_are_served(client, 1)
    for connection in stalled:
        connection.close()
