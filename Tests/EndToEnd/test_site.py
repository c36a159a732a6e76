"""The production site as its files say, with one responder: what is sent, what is kept, what the linters say."""

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from cluster import NGINX, Cluster, install_site, missing, write_generation
from harness import BINARY, ROOT, wait_until

WHY_NOT = missing()
needs_namespaces = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))
VARIANTS = [("one", False), ("one", True), ("instances", False), ("three", True), ("machines", False)]


def flattened(path: Path, folder: Path) -> str:
    """A configuration with its includes in place: the linter does not look from one file into the next."""

    def included(line: re.Match) -> str:
        return "\n".join(flattened(file, folder) for file in sorted(folder.glob(line[1])))

    return re.sub(r"(?m)^\s*include ([^/;][^;]*);", included, path.read_text())


def gixy(configuration: Path) -> list[dict]:
    whole = configuration.with_name("whole.conf")
    whole.write_text(flattened(configuration, configuration.parent))
    lint = subprocess.run([Path(sys.executable).parent / "gixy", "-f", "json", whole], capture_output=True, text=True)
    return json.loads(lint.stdout)


@pytest.mark.parametrize("upstreams, cache", VARIANTS)
def test_configuration_is_valid_and_clean(tmp_path, upstreams, cache):
    configuration = install_site(tmp_path, upstreams, cache)
    check = subprocess.run([NGINX, "-t", "-p", tmp_path, "-c", configuration], capture_output=True, text=True)
    # A plain user may not change to another one, which nginx says.
    warnings = [line for line in check.stderr.splitlines() if "[warn]" in line and '"user" directive' not in line]
    assert check.returncode == 0 and warnings == [], check.stderr
    assert gixy(configuration) == []


def test_the_linter_reads_the_snippets(tmp_path):
    """The mistake it is there for, in the innermost file: a location's own header, which drops all others."""
    configuration = install_site(tmp_path, cache=True)
    snippet = tmp_path / "qwen-all-in-one/cache/classify.conf"
    snippet.write_text(snippet.read_text() + "add_header X-Extra 1;\n")
    assert [finding["plugin"] for finding in gixy(configuration)] == ["add_header_redefinition"]


def test_a_cache_without_generation_does_not_start(tmp_path):
    configuration = install_site(tmp_path, cache=True)
    (tmp_path / "qwen-all-in-one/cache/generation.conf").unlink()
    check = subprocess.run([NGINX, "-t", "-p", tmp_path, "-c", configuration], capture_output=True, text=True)
    assert check.returncode != 0 and "generation.conf" in check.stderr


def test_generation_says_what_is_missing(tmp_path):
    script = ROOT / "nginx/cache/generation.sh"
    wrong = subprocess.run([script, BINARY, tmp_path / "nowhere.gguf"], capture_output=True, text=True)
    assert wrong.returncode == 1 and wrong.stdout == "" and "nowhere.gguf" in wrong.stderr


# --- Running


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("site"), "one", cache=True)
    yield cluster
    cluster.stop()


@needs_namespaces
def test_https_headers_and_protocol(site):
    def get() -> httpx.Response:
        with site.client(http2=True) as client:
            return client.get("/v1/models")

    answer = site.inside(get)
    assert answer.http_version == "HTTP/2"
    assert answer.headers["strict-transport-security"] == "max-age=63072000"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


@needs_namespaces
def test_plain_http_leads_to_https(site):
    def get() -> httpx.Response:
        return httpx.post("http://localhost/v1/classify", trust_env=False)

    answer = site.inside(get)
    assert answer.status_code == 308 and answer.headers["location"] == "https://localhost/v1/classify"


@needs_namespaces
class TestCache:
    def ask(self, site, body: bytes, address: str = "127.0.0.1", headers: dict | None = None) -> tuple[httpx.Response, str]:
        """The answer and what the log says of the cache."""

        def post() -> httpx.Response:
            with site.client(local_address=address) as client:
                return client.post("https://127.0.0.1/v1/classify", content=body, headers=headers)

        answer = site.inside(post)
        request_id = answer.headers["x-request-id"]
        [line] = wait_until(lambda: [e for e in site.log() if e["request_id"] == request_id], 5, "a line in the log")
        return answer, line["cache"]

    def body(self, text) -> bytes:
        return json.dumps({"model": "sentiment", "input": text}).encode()

    def test_the_same_client_gets_the_same_answer(self, site):
        first, how = self.ask(site, self.body("今天真开心"))
        again, how_again = self.ask(site, self.body("今天真开心"))
        assert (how, how_again) == ("MISS", "HIT")
        assert again.status_code == 200 and again.content == first.content
        assert again.headers["x-request-id"] != first.headers["x-request-id"]
        assert again.headers["cache-control"] == "no-store"

    def test_another_text_is_asked_anew(self, site):
        assert self.ask(site, self.body("很好"))[1] == self.ask(site, self.body("很好！"))[1] == "MISS"

    def test_another_client_is_asked_anew(self, site):
        assert self.ask(site, self.body("今天下雨"))[1] == "MISS"
        assert self.ask(site, self.body("今天下雨"), "127.0.0.2")[1] == "MISS"

    def test_with_an_api_key_nothing_is_kept(self, site):
        key = {"Authorization": "Bearer qk-1"}
        assert [self.ask(site, self.body("有钥匙"), headers=key)[1] for _ in range(2)] == ["BYPASS", "BYPASS"]
        assert self.ask(site, self.body("有钥匙"))[1] == "MISS"

    def test_errors_are_not_kept(self, site):
        for _ in range(2):
            answer, how = self.ask(site, b'{"model": "nobody", "input": "x"}')
            assert answer.status_code == 404 and how == "MISS"

    @pytest.mark.parametrize("body", [b"", json.dumps({"model": "sentiment", "input": ["好" * 100] * 60}).encode()],
                             ids=["empty", "large"])
    def test_no_body_and_a_large_one_are_not_kept(self, site, body):
        assert [self.ask(site, body)[1] for _ in range(2)] == ["BYPASS", "BYPASS"]

    def test_large_bodies_never_meet(self, site):
        """Of the same length, and far beyond what nginx would keep in memory by default."""
        bodies = [self.body([word * 50] * 60 + ["x" * 100] * 4) for word in ("真开心", "太失望")]
        answers = [self.ask(site, body)[0].json()["data"][0] for body in bodies]
        assert answers[0]["probs"] != answers[1]["probs"]

    def test_another_model_or_role_voids_it(self, site, tmp_path):
        text = self.body("换个模型")
        assert [self.ask(site, text)[1] for _ in range(2)] == ["MISS", "HIT"]
        changed = tmp_path / "role.yaml"
        changed.write_text("name: changed\n")
        write_generation(site.folder, changed)
        site.reload()
        # Workers of the old configuration may take a moment to leave.
        wait_until(lambda: self.ask(site, text)[1] == "MISS", 10, "the new generation is in use")
        assert self.ask(site, text)[1] == "HIT"

    def test_what_is_kept_is_for_the_web_server_alone(self, site):
        self.ask(site, self.body("存下来"))
        files = [path for path in (site.folder / "kept").rglob("*") if path.is_file()]
        assert files and all(path.stat().st_mode & 0o077 == 0 for path in files)
