"""API keys: made by the command, asked for by the service, never seen in logs and metrics; the page asks for one."""

import os
import re
import signal
import subprocess

import httpx
import openai
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from harness import BINARY, Server, wait_until

MESSAGES = [{"role": "user", "content": "今天阳光真好，心情特别愉快！"}]


class Ring:
    """A file of keys and the command that edits it."""

    def __init__(self, path):
        self.path, self.secrets = path, {}

    def run(self, command: str, *arguments: str, status: int = 0) -> str:
        done = subprocess.run([BINARY, "keys", command, "--file", self.path, *arguments], capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        return done.stderr if status else done.stdout

    def add(self, name: str, *options: str) -> str:
        self.secrets[name] = self.run("add", *options, name).strip()
        return self.secrets[name]


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    ring = Ring(tmp_path_factory.mktemp("keys") / "keys.txt")
    ring.add("alice", "--rate", "1000")
    ring.add("bob", "--roles", "sentiment", "--rate", "1000")
    ring.add("slow", "--rate", "2")
    ring.add("steady", "--rate", "60")
    return ring


@pytest.fixture(scope="module")
def guarded(ring, tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("guarded"), OPTIONS=f"--keys {ring.path}")
    yield server
    assert server.stop() == 0


@pytest.fixture
def client_of(guarded):
    with guarded.client() as transport:
        yield lambda secret: openai.OpenAI(
            base_url=f"{guarded.url}/v1", api_key=secret, http_client=transport, max_retries=0)


def logs(server: Server) -> str:
    return "".join(path.read_text() for path in server.run_dir.glob("*.log"))


def reload(server: Server):
    count = logs(server).count("keys reloaded") + logs(server).count("keys not reloaded")
    os.kill(server.pid, signal.SIGHUP)
    wait_until(lambda: logs(server).count("keys reloaded") + logs(server).count("keys not reloaded") > count, 10, "a reload")


def test_the_command(tmp_path):
    ring = Ring(tmp_path / "keys.txt")
    secret = ring.add("alice", "--rate", "5", "--roles", "chat,sentiment")
    assert re.fullmatch("qk-[0-9a-f]{64}", secret)
    ring.add("bob")
    assert ring.path.stat().st_mode & 0o777 == 0o644  # the service's own user reads it, whatever the umask
    assert ring.run("list") == "alice\t5\tchat,sentiment\nbob\t60\t*\n"
    assert secret not in ring.path.read_text() and secret[3:] not in ring.path.read_text()
    assert "alice" in ring.run("add", "alice", status=1)
    ring.run("revoke", "alice")
    assert ring.run("list") == "bob\t60\t*\n"
    assert "alice" in ring.run("revoke", "alice", status=1)
    ring.path.write_text("alice five * 00\n")
    assert "keys.txt:1: " in ring.run("list", status=1)
    for wrong in (["--rate", "0", "x"], ["--roles", "a b", "x"], ["Alice!"]):
        assert subprocess.run([BINARY, "keys", "add", "--file", ring.path, *wrong], capture_output=True).returncode != 0


def test_a_key_opens_the_api(client_of, ring):
    client = client_of(ring.secrets["alice"])
    assert client.chat.completions.create(model="chat", messages=MESSAGES).choices[0].message.content
    assert {"chat", "sentiment"} <= {model.id for model in client.models.list()}


def test_without_a_key_nothing_is_answered(guarded, client_of, ring):
    with pytest.raises(openai.AuthenticationError) as caught:
        client_of("qk-" + "0" * 64).chat.completions.create(model="chat", messages=MESSAGES)
    assert caught.value.code == "invalid_api_key" and caught.value.response.headers["www-authenticate"] == "Bearer"
    with guarded.client() as client:
        for path in ("/v1/models", "/v1/models/chat"):
            response = client.get(path)
            assert response.status_code == 401 and response.json()["error"]["code"] == "missing_api_key"
        for path in ("/v1/classify", "/v1/chat/completions"):
            assert client.post(path, content=b"{").status_code == 401
        assert client.get("/v1/models", headers={"Authorization": ring.secrets["alice"]}).status_code == 401
        for path in ("/healthz", "/readyz", "/metrics", "/status.json", "/"):
            assert client.get(path).status_code == 200


def test_a_key_opens_its_roles_alone(guarded, client_of, ring):
    client = client_of(ring.secrets["bob"])
    assert client.chat.completions.create(model="sentiment", messages=MESSAGES).choices[0].message.content in {"正面", "负面"}
    assert [model.id for model in client.models.list()] == ["sentiment"]
    for call in (lambda: client.chat.completions.create(model="chat", messages=MESSAGES), lambda: client.models.retrieve("chat")):
        with pytest.raises(openai.PermissionDeniedError) as caught:
            call()
        assert caught.value.code == "model_not_allowed" and caught.value.body["param"] == "model"
    with guarded.client() as transport:
        body = {"labels": ["a", "b"], "instruction": "x", "input": "y"}
        headers = {"Authorization": f"Bearer {ring.secrets['bob']}"}
        assert transport.post("/v1/classify", json=body, headers=headers).status_code == 403


def test_a_key_has_a_rate(client_of, ring):
    slow = client_of(ring.secrets["slow"])
    assert len(slow.models.list().data) and len(slow.models.list().data)
    with pytest.raises(openai.RateLimitError) as caught:
        slow.models.list()
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 30
    assert caught.value.code == "rate_limit_exceeded"
    client_of(ring.secrets["alice"]).models.list()


def test_the_client_waits_as_it_is_told(guarded, ring):
    with guarded.client() as transport:
        client = openai.OpenAI(
            base_url=f"{guarded.url}/v1", api_key=ring.secrets["steady"], http_client=transport, max_retries=4)
        # A minute's worth at once, then one a second.
        tries = [client.models.with_raw_response.list().retries_taken for _ in range(63)]
    assert max(tries) > 0


def test_a_reload_takes_keys_in_and_out(guarded, client_of, ring):
    carol = ring.add("carol")
    with pytest.raises(openai.AuthenticationError):
        client_of(carol).models.list()
    reload(guarded)
    client_of(carol).models.list()
    ring.run("revoke", "carol")
    reload(guarded)
    with pytest.raises(openai.AuthenticationError):
        client_of(carol).models.list()
    good = ring.path.read_text()
    ring.path.write_text("nonsense\n")
    reload(guarded)
    client_of(ring.secrets["alice"]).models.list()
    assert "keys.txt:1: a line has four fields" in logs(guarded)
    ring.path.write_text(good)
    reload(guarded)


def test_a_bad_file_stops_the_start(tmp_path):
    (tmp_path / "keys.txt").write_text("x\n")
    command = [BINARY, "serve", "--keys", tmp_path / "keys.txt", "--socket", tmp_path / "m", "--ops-socket", tmp_path / "o"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "keys.txt:1: " in done.stderr


def test_the_page_asks_for_the_key(guarded, ring):
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server", "--force-prefers-reduced-motion"):
        options.add_argument(flag)
    options.accept_insecure_certs = True
    page = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        def all_of(selector: str):
            return page.find_elements(By.CSS_SELECTOR, selector)

        page.get(guarded.url)
        page.find_element(By.ID, "input").send_keys("你好", Keys.ENTER)
        wait_until(lambda: all_of(".failure .key input"), 10, "the page asks for a key")
        all_of(".failure .key input")[0].send_keys("wrong", Keys.ENTER)
        wait_until(lambda: len(all_of(".failure")) == 1 and not all_of(".streaming") and all_of(".failure .key input")
                   and all_of(".failure .key input")[0].get_attribute("value") == "", 10, "the page asks again")
        all_of(".failure .key input")[0].send_keys(ring.secrets["alice"], Keys.ENTER)
        wait_until(lambda: all_of(".assistant:not(.streaming) .bubble") and all_of(".assistant .bubble")[-1].text, 60, "a reply")
        assert all_of(".failure") == [] and len(all_of(".user")) == 1
        assert page.execute_script("return [Object.values(sessionStorage), Object.values(localStorage)]") == [
            [ring.secrets["alice"]], []]
        page.refresh()
        page.find_element(By.ID, "input").send_keys("你好", Keys.ENTER)
        wait_until(lambda: all_of(".assistant:not(.streaming) .bubble") and all_of(".assistant .bubble")[-1].text, 60, "a reply")
    finally:
        page.quit()


def test_no_key_is_seen_anywhere(guarded, ring):
    with guarded.client() as client:
        text = logs(guarded) + client.get("/metrics").text + client.get("/status.json").text
    assert '"key":"alice"' in text
    for secret in ring.secrets.values():
        assert secret not in text and secret[3:] not in text
