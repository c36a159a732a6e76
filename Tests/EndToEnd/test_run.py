"""`make run`: how it starts, what it says when it cannot, and how it ends."""

import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

from harness import BINARY, MODEL, ROOT, Server, free_port, wait_until


def run_make(tmp_path, expected: str, **settings: str):
    """Runs `make run` with settings that must fail: a non-zero exit and the one expected line."""
    # The settings of an outer make would win over these.
    outer = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES"}}
    environment = {
        **outer, "BINARY": str(BINARY), "MODEL": MODEL, "RUN_DIR": str(tmp_path),
        "HTTPS_PORT": str(free_port()), "HTTP_PORT": str(free_port()), **settings,
    }
    make = subprocess.Popen(
        ["make", "run"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        output, _ = make.communicate(timeout=60)
    finally:
        make.terminate()
    assert make.returncode != 0
    lines = [line for line in output.splitlines() if not line.startswith(("make", "Loading"))]
    assert len(lines) == 1 and re.search(expected, lines[0]), lines


def test_missing_model(tmp_path):
    run_make(tmp_path, r"No model at nowhere\.gguf: .*MODEL=", MODEL="nowhere.gguf")


def test_model_that_is_none(tmp_path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not a model")
    run_make(tmp_path, r"The responder did not start: .*broken\.gguf", MODEL=str(broken))


def test_option_that_is_none(tmp_path):
    run_make(tmp_path, r"The responder did not start: Error: Unknown option '--quue'", OPTIONS="--quue 3")


@pytest.mark.parametrize("name", ["HTTPS_PORT", "HTTP_PORT"])
def test_busy_port(tmp_path, name):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run_make(tmp_path, rf"Port {port} is in use: .*{name}=", **{name: str(port)})


def test_port_that_is_none(tmp_path):
    run_make(tmp_path, r"HTTPS_PORT=https is no port", HTTPS_PORT="https")


def test_missing_swift(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "dirname", "env", "make", "sh"):
        (tools / name).symlink_to(shutil.which(name))
    run_make(tmp_path, r"Swift is not on PATH: install Swift 6\.3", BINARY="", PATH=str(tools))


def test_second_server_in_the_same_folder(server, tmp_path):
    run_make(tmp_path, r"Another server already runs in", RUN_DIR=str(server.run_dir))


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_ends_cleanly(tmp_path, with_signal):
    started = Server(tmp_path)
    pid = started.pid
    assert re.search(r"curl --cacert \S+ https://localhost:\d+/v1/classify", started.text())
    assert started.stop(with_signal) == 0
    assert started.text().rstrip().endswith("Stopped.")
    assert not os.path.exists(f"/proc/{pid}")
    assert not list(tmp_path.glob("*.sock")) and not (tmp_path / "nginx.pid").exists()


def test_a_dead_responder_ends_the_run(tmp_path):
    started = Server(tmp_path)
    os.kill(started.pid, signal.SIGKILL)
    assert started.process.wait(timeout=30) != 0
    assert started.text().splitlines()[-1].startswith("qwen-all-in-one: The responder ended")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", started.https_port))


def test_children_do_not_outlive_a_killed_script(tmp_path):
    started = Server(tmp_path)
    pid = started.pid
    started.process.kill()
    started.process.wait()
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 30, "the responder has ended")
    wait_until(lambda: not (tmp_path / "nginx.pid").exists(), 30, "nginx has ended")


def test_a_long_folder_name(tmp_path):
    folder = tmp_path / ("long" * 30)
    started = Server(folder)
    with started.client() as client:
        assert client.get("/healthz").status_code == 200
    assert started.stop() == 0


def test_own_certificate_and_open_stream(tmp_path):
    """With CERT and KEY given; a client that reads a stream when the end comes does not hold it up."""
    certificate, key = tmp_path / "own.pem", tmp_path / "own.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )
    started = Server(tmp_path / "run", CERT=str(certificate), KEY=str(key))
    started.certificate = certificate
    body = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "你好"}]}
    with started.client() as client, client.stream("POST", "/v1/chat/completions", json=body) as response:
        assert response.status_code == 200
        assert started.stop() == 0
