"""Several responders behind one nginx with the production site, each machine of it a network namespace."""

import ctypes
import itertools
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from harness import BINARY, MODEL, ROOT, wait_until

PROXY = "/usr/lib/systemd/systemd-socket-proxyd"
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
# For names of namespaces: tests may have several clusters at once.
NUMBERS = itertools.count(1)
FRONT_ADDRESS = "10.77.0.1"
WRAPPER = """
user root;
worker_processes 2;
daemon off;
pid @/nginx.pid;
error_log @/nginx-error.log;
events {}
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    client_body_temp_path @/body;
    fastcgi_temp_path @/fastcgi;
    proxy_temp_path @/proxy;
    scgi_temp_path @/scgi;
    uwsgi_temp_path @/uwsgi;
    include site.conf;
}
"""


def missing() -> str | None:
    """Why there can be no cluster here; None if there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not shutil.which("ip"):
        return "no ip command: install iproute2"
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode != 0:
        return "the kernel gives no network namespaces"
    if not Path(PROXY).exists() or not shutil.which("systemd-socket-activate"):
        return "no systemd-socket-proxyd: install systemd"
    return None


def ip(*arguments: str):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def third_instance(text: str) -> str:
    """upstreams/instances.conf with one more instance, added as its head says: a line in each group."""
    groups, rest = text.split("upstream qwen_ops_1 {")
    block = re.search(r"upstream qwen_ops_2 \{.*?\n\}\n", rest, re.DOTALL)[0]
    groups = re.sub(r"(?m)^.*/2/.*\n", lambda line: line[0] + line[0].replace("/2/", "/3/"), groups)
    rest = rest.replace(block, block + block.replace("_2", "_3").replace("/2/", "/3/"))
    rest = rest.replace("    2       qwen_ops_2;\n", "    2       qwen_ops_2;\n    3       qwen_ops_3;\n")
    return groups + "upstream qwen_ops_1 {" + rest


def install_site(folder: Path, upstreams: str = "one", cache: bool = False) -> Path:
    """Installs the production site under `folder` as its head says, only with paths of its own; returns nginx.conf.

    upstreams: one, instances, three (instances) or machines."""
    source, target = ROOT / "nginx", folder / "qwen-all-in-one"
    shutil.copytree(source / "snippets", target)
    if upstreams == "three":
        text = third_instance((source / "upstreams/instances.conf").read_text())
        (target / "upstreams.conf").write_text(text)
    elif upstreams != "one":
        shutil.copy(source / f"upstreams/{upstreams}.conf", target / "upstreams.conf")
    if cache:
        shutil.copytree(source / "cache", target / "cache")
        write_generation(folder)
    shutil.copy(source / "qwen-all-in-one.conf", folder / "site.conf")
    for path in [folder / "site.conf", *target.rglob("*.conf")]:
        text = path.read_text()
        text = text.replace("/etc/ssl/qwen-all-in-one", str(folder)).replace("/var/log/nginx", str(folder))
        text = text.replace("/usr/share/qwen-all-in-one/www", str(ROOT / "www"))
        text = text.replace("unix:/run/qwen-all-in-one", f"unix:{folder}").replace("/run/qwen-all-in-one-cache", f"{folder}/kept")
        path.write_text(text)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"],
        check=True, capture_output=True,
    )
    (folder / "nginx.conf").write_text(WRAPPER.replace("@", str(folder)))
    return folder / "nginx.conf"


def write_generation(folder: Path, *more: Path):
    """What the installed cache keeps answers under: the model, the roles, the program and `more`."""
    cache = folder / "qwen-all-in-one/cache"
    printed = subprocess.run([cache / "generation.sh", BINARY, ROOT / MODEL, ROOT / "roles", *more], check=True, capture_output=True)
    (cache / "generation.conf").write_bytes(printed.stdout)


class Responder:
    """One responder in a namespace; on a machine of its own also the bridge from the private network to its sockets."""

    def __init__(self, folder: Path, namespace: str, address: str | None = None):
        self.folder, self.namespace = folder, namespace
        self.folder.mkdir(exist_ok=True)
        self.process = None
        self.bridges = []
        # Whether nginx may have found it failing since this was last reset.
        self.was_harmed = False
        self.start()
        for name, port in [("main", 9001), ("ops", 9002)] if address else []:
            command = ["systemd-socket-activate", "-l", f"{address}:{port}", PROXY, folder / f"{name}.sock"]
            self.bridges.append(self._run(command, "bridge"))

    def start(self):
        self.process = self._run(
            [BINARY, "serve", "--model", MODEL, "--roles", "roles", "--threads", "1",
             "--socket", self.folder / "main.sock", "--ops-socket", self.folder / "ops.sock"], "responder")

    def _run(self, command: list, name: str) -> subprocess.Popen:
        with (self.folder / f"{name}.log").open("ab") as log:
            return run_inside(self.namespace, command, log)

    def kill(self, with_signal: int = signal.SIGKILL):
        self.was_harmed = True
        self.process.send_signal(with_signal)
        if with_signal == signal.SIGKILL:
            self.process.wait(timeout=30)

    def stop(self):
        for process in [self.process, *self.bridges]:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait(timeout=30)


def run_inside(namespace: str, command: list, log) -> subprocess.Popen:
    """A process in a network namespace that ends with this one."""
    prefix = ["setpriv", "--pdeathsig", "TERM", "--", "ip", "netns", "exec", namespace]
    return subprocess.Popen([*prefix, *command], cwd=ROOT, stdout=log, stderr=log)


class Cluster:
    """nginx and its responders, named 1, 2 and so on: instances on one machine, or machines with one each."""

    def __init__(self, folder: Path, upstreams: str, cache: bool = False, responder=Responder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.label = f"qwen-{os.getpid()}-{next(NUMBERS)}"
        self.front = f"{self.label}-front"
        self.namespaces, self.responders, self.nginx = [], {}, None
        configuration = install_site(folder, upstreams, cache)
        try:
            self._add_namespace(self.front)
            if upstreams == "machines":
                self._connect_machines()
            else:
                for n in range(1, 1 + {"one": 1, "instances": 2, "three": 3}[upstreams]):
                    place = folder if upstreams == "one" else folder / str(n)
                    self.responders[str(n)] = responder(place, self.front)
            with (folder / "nginx.log").open("ab") as log:
                self.nginx = run_inside(self.front, [NGINX, "-p", folder, "-c", configuration], log)
            for name in self.responders:
                self.wait_ready("" if upstreams == "one" else name)
        except BaseException:
            self.stop()
            raise

    def _add_namespace(self, name: str):
        ip("netns", "add", name)
        self.namespaces.append(name)
        ip("-n", name, "link", "set", "lo", "up")

    def _connect_machines(self):
        """A switch in the front namespace with a cable to each machine."""
        ip("-n", self.front, "link", "add", "switch", "type", "bridge")
        ip("-n", self.front, "addr", "add", f"{FRONT_ADDRESS}/24", "dev", "switch")
        ip("-n", self.front, "link", "set", "switch", "up")
        for n in ("1", "2"):
            machine, address = f"{self.label}-back{n}", f"10.77.0.1{n}"
            self._add_namespace(machine)
            ip("-n", self.front, "link", "add", f"port{n}", "type", "veth", "peer", "name", "net", "netns", machine)
            ip("-n", self.front, "link", "set", f"port{n}", "master", "switch", "up")
            ip("-n", machine, "addr", "add", f"{address}/24", "dev", "net")
            ip("-n", machine, "link", "set", "net", "up")
            self.responders[n] = Responder(self.folder / n, machine, address)

    def set_cable(self, name: str, state: str):
        self.responders[name].was_harmed = True
        ip("-n", self.responders[name].namespace, "link", "set", "net", state)

    def pool(self, threads: int) -> ThreadPoolExecutor:
        """Threads inside the front namespace: sockets that they open are in its network."""
        return ThreadPoolExecutor(threads, initializer=self._enter)

    def _enter(self):
        library = ctypes.CDLL(None, use_errno=True)
        descriptor = os.open(f"/run/netns/{self.front}", os.O_RDONLY)
        try:
            if library.setns(descriptor, 0x40000000) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(descriptor)

    def inside(self, function, *arguments):
        """Calls the function from within the front namespace."""
        with self.pool(1) as pool:
            return pool.submit(function, *arguments).result()

    def client(self, **options) -> httpx.Client:
        """To be used by a thread of pool() only."""
        context = ssl.create_default_context(cafile=str(self.folder / "fullchain.pem"))
        transport = httpx.HTTPTransport(verify=context, trust_env=False, **options)
        return httpx.Client(base_url="https://localhost", transport=transport, timeout=60)

    def get(self, path: str) -> httpx.Response:
        def get():
            with self.client() as client:
                return client.get(path)

        return self.inside(get)

    def wait_ready(self, name: str):
        def is_ready() -> bool:
            try:
                return self.get(f"/readyz?instance={name}").status_code == 200
            except httpx.TransportError:
                return False

        wait_until(is_ready, 120, f"responder {name} is ready")

    def heal(self):
        """Whatever a test killed, stopped or unplugged works again for the next one; cables are plugged in already."""
        harmed = {name: responder for name, responder in self.responders.items() if responder.was_harmed}
        for name, responder in harmed.items():
            if responder.process.poll() is not None:
                responder.start()
            responder.process.send_signal(signal.SIGCONT)
            self.wait_ready(name)
            responder.was_harmed = False
        if harmed:
            # So long a failed responder is left out.
            time.sleep(6)

    def served(self, name: str, role: str) -> float:
        """Successful requests that a responder has counted."""
        text = self.get(f"/metrics?instance={name}").text
        return float(re.search(rf'^llm_requests_total\{{role="{role}",outcome="success"\}} (\S+)$', text, re.MULTILINE)[1])

    def log(self) -> list[dict]:
        return [json.loads(line) for line in (self.folder / "qwen-all-in-one.log").read_text().splitlines()]

    def reload(self):
        self.nginx.send_signal(signal.SIGHUP)

    def stop(self):
        for responder in self.responders.values():
            responder.stop()
        if self.nginx:
            self.nginx.terminate()
            self.nginx.wait(timeout=30)
        for namespace in self.namespaces:
            ip("netns", "delete", namespace)
