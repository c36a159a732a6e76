"""A model hub for the tests of `download`: it lists and serves repositories as Hugging Face and ModelScope do, with a CDN at another
address, and fails where it is told to."""

import hashlib
import json
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

SMALL_BYTES = 8_192  # larger files lie in LFS, and so at the CDN
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"


@dataclass
class Request:
    host: str
    path: str
    headers: dict[str, str]
    status: int = 0
    # Processes whose command line or environment shows the hub's token.
    exposed: list[str] = field(default_factory=list)


def git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Hub:
    """Serves `files` as the repository test/model; use as a context manager.

    certificate: of both addresses, with its key; TLS where it is given."""

    def __init__(self, files: dict[str, bytes], certificate: Path | None = None):
        self.files = files
        self.certificate = certificate
        self.token: str | None = None  # asked for where it is set
        self.listed: dict[str, dict] = {}  # what the list says otherwise, by file
        self.extra_entries: list[dict] = []
        self.page_entries = 1000
        self.endless_pages = False
        self.announced: dict[str, str] = {}  # another X-Linked-Etag, by file
        self.redirect: str | None = None  # in place of the CDN's address
        self.pointers = False
        self.ignores_ranges = False
        self.partial_status = 206  # ModelScope answers 200 with Content-Range for small files
        self.faults: list[tuple] = []  # of the CDN, one for each request: ("cut", bytes), ("hang", bytes) or ("status", code)
        self.status: tuple[int, dict] | None = None  # answers everything of the hub
        self.endless_error = False
        self.requests: list[Request] = []
        self.resume = threading.Event()  # lets what hangs go on
        self._servers: list[ThreadingHTTPServer] = []

    def __enter__(self) -> "Hub":
        self.url = self._start("127.0.0.1", self._hub)
        self.cdn_url = self._start("127.0.0.2", self._cdn)
        return self

    def __exit__(self, *_):
        self.resume.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def fetched(self, name: str, host: str = "127.0.0.2") -> list[Request]:
        """Requests for a file's content."""
        return [request for request in self.requests if request.host == host and request.path.split("?")[0].endswith(name)]

    def _start(self, host: str, answer) -> str:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                request = Request(host, self.path, {name.lower(): value for name, value in self.headers.items()})
                if hub.token:
                    request.exposed = exposing(hub.token)
                hub.requests.append(request)
                answer(self, request)

            def reply(self, request: Request, status: int, body: bytes = b"", headers: dict | None = None, sent: int | None = None):
                """sent: how much of the body goes out before the connection ends."""
                request.status = status
                self.send_response(status)
                for name, value in {"Content-Length": len(body), **(headers or {})}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body if sent is None else body[:sent])
                if sent is not None:
                    self.wfile.flush()
                    self.close_connection = True

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer((host, 0), Handler)
        server.daemon_threads = True
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self._servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"{'https' if self.certificate else 'http'}://{host}:{server.server_address[1]}"

    def _hub(self, handler, request: Request):
        place = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(place.query).items()}
        parts = unquote(place.path).strip("/").split("/")
        if self.endless_error:
            handler.reply(request, 403, headers={"Content-Length": 1 << 60}, sent=0)
            try:
                while not self.resume.is_set():
                    handler.wfile.write(bytes(1 << 16))
            except OSError:
                return  # the client has had enough
        if self.status:
            return handler.reply(request, self.status[0], headers=self.status[1])
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return handler.reply(request, 401, b"Invalid username or password.")
        if parts[:5] == ["api", "models", "test", "model", "tree"]:
            return self._list_huggingface(handler, request, int(query.get("cursor", 0)))
        if parts == ["api", "v1", "models", "test", "model", "repo", "files"]:
            return self._list_modelscope(handler, request)
        if parts == ["api", "v1", "models", "test", "model", "repo"]:
            return self._file(handler, request, query["FilePath"])
        if parts[:3] == ["test", "model", "resolve"] and len(parts) == 5:
            return self._file(handler, request, parts[4])
        if parts[0] == "api":
            body = json.dumps({"Code": 10010205001, "Message": "record not found", "Success": False}).encode()
            return handler.reply(request, 404, body, {"X-Error-Code": "RepoNotFound"})
        handler.reply(request, 404, headers={"X-Error-Code": "EntryNotFound"})

    def _list_huggingface(self, handler, request: Request, start: int):
        entries = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": "onnx"}]
        for name, content in self.files.items():
            entry = {"type": "file", "oid": git_blob(content), "size": len(content), "path": name}
            if len(content) > SMALL_BYTES:
                digest = hashlib.sha256(content).hexdigest()
                entry |= {"oid": git_blob(b"pointer"), "lfs": {"oid": digest, "size": len(content), "pointerSize": 134}}
            entries.append(entry | self.listed.get(name, {}))
        entries += self.extra_entries
        end = start + self.page_entries
        headers = {"Content-Type": "application/json"}
        if end < len(entries) or self.endless_pages:
            cursor = 0 if self.endless_pages else end
            headers["Link"] = f'<{self.url}{urlsplit(request.path).path}?cursor={cursor}>; rel="next"'
        handler.reply(request, 200, json.dumps(entries[start:end]).encode(), headers)

    def _list_modelscope(self, handler, request: Request):
        entries = [{"Name": "onnx", "Path": "onnx", "Type": "tree", "Size": 0, "Sha256": ""}]
        for name, content in self.files.items():
            digest = hashlib.sha256(content).hexdigest()
            entry = {"Name": name, "Path": name, "Type": "blob", "Size": len(content), "Sha256": digest, "IsLFS": len(content) > SMALL_BYTES}
            entries.append(entry | self.listed.get(name, {}))
        handler.reply(request, 200, json.dumps({"Code": 200, "Success": True, "Data": {"Files": entries}}).encode())

    def _file(self, handler, request: Request, name: str):
        content = self.files.get(name)
        if content is None:
            return handler.reply(request, 404, headers={"X-Error-Code": "EntryNotFound"})
        if len(content) <= SMALL_BYTES:
            return self._content(handler, request, content, {"ETag": f'"{git_blob(content)}"'})
        digest = hashlib.sha256(content).hexdigest()
        if self.pointers:
            return handler.reply(request, 200, POINTER.format(digest, len(content)).encode())
        headers = {
            "Location": self.redirect or f"{self.cdn_url}/{digest}/{name}?Signature=a%2Fb~c&Expires=1",
            "X-Linked-Etag": f'"{self.announced.get(name, digest)}"',
            "X-Linked-Size": len(content),
        }
        handler.reply(request, 302, b"Found. Redirecting", headers)

    def _cdn(self, handler, request: Request):
        name = urlsplit(request.path).path.split("/")[-1]
        fault = self.faults.pop(0) if self.faults else None
        if fault and fault[0] == "status":
            return handler.reply(request, fault[1], b"Slow down", {"Retry-After": 0})
        self._content(handler, request, self.files[name], {"ETag": '"d41d8cd98f00b204e9800998ecf8427e"'}, fault)

    def _content(self, handler, request: Request, content: bytes, headers: dict, fault: tuple | None = None):
        start, status = 0, 200
        wanted = request.headers.get("range")
        if wanted and not self.ignores_ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                return handler.reply(request, 416, headers={"Content-Range": f"bytes */{len(content)}"})
            status = self.partial_status
            headers = headers | {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        body = content[start:]
        if fault and fault[0] == "hang":
            handler.reply(request, status, body, headers, sent=fault[1])
            self.resume.wait(60)
        else:
            handler.reply(request, status, body, headers, sent=fault[1] if fault else None)


def exposing(secret: str) -> list[str]:
    """Command lines and environments of curl processes that hold the secret."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            if secret.encode() in command:
                found.append(command.decode(errors="replace"))
            elif command.split(b"\0")[0] == b"curl" and secret.encode() in (process / "environ").read_bytes():
                found.append("environment of curl")
        except OSError:
            pass  # it has ended, or is another's
    return found
