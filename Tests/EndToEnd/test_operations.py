"""What an operator relies on: health, metrics, limits, headers, logs, flat memory."""

import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from harness import wait_until


def test_health_and_readiness(client):
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200


def test_metrics_are_clean(server):
    with server.client() as client:
        response = client.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    check = subprocess.run(["promtool", "check", "metrics"], input=response.content, capture_output=True)
    assert check.returncode == 0 and check.stderr == b"", check.stderr.decode()
    assert "llm_build_info" in response.text


def test_metrics_count_requests(server, client):
    def count() -> float:
        return sum(v for k, v in server.metrics().items() if k.startswith("llm_requests_total{") and '"sentiment"' in k)

    before = count()
    for _ in range(3):
        client.post("/v1/classify", json={"model": "sentiment", "input": "好"})
    assert count() == before + 3


def test_memory_stays_flat(server, client):
    def one(n: int):
        if n % 3:
            client.post("/v1/classify", json={"model": "sentiment", "input": f"第{n}次来，味道还是很好"}).raise_for_status()
        else:
            body = {"model": "chat", "messages": [{"role": "user", "content": f"第{n}天，有点累"}]}
            client.post("/v1/chat/completions", json=body).raise_for_status()

    for n in range(30):
        one(n)
    before = server.resident_bytes()
    for n in range(300):
        one(n)
    assert server.resident_bytes() - before < 4 << 20


def test_large_bodies_stay_within_the_budget(server):
    text = "猫" * 340_000
    body = json.dumps(
        {"model": "chat", "messages": [{"role": "system", "content": text}, {"role": "user", "content": "好"}]},
        ensure_ascii=False,
    ).encode()

    def one(_) -> tuple[int, str | None]:
        with server.client() as client:
            response = client.post("/v1/chat/completions", content=body)
            return response.status_code, response.headers.get("retry-after")

    with ThreadPoolExecutor(48) as pool:
        answers = set(pool.map(one, range(48)))
    assert (400, None) in answers and answers <= {(400, None), (429, "1")}
    assert server.peak_resident_bytes() < server.metrics()["llm_memory_budget_bytes"]


def test_metrics_agree_with_the_kernel(server):
    def agree() -> bool:
        return server.metrics()["process_resident_memory_bytes"] == pytest.approx(server.resident_bytes(), rel=0.05)

    wait_until(agree, 10, "what earlier requests took is given back")


def test_http_redirects_to_https(server):
    response = httpx.get(f"http://localhost:{server.http_port}/a?b=c", trust_env=False)
    assert response.status_code == 308
    assert response.headers["location"] == f"{server.url}/a?b=c"


def test_http_on_the_https_port_redirects(server):
    response = httpx.get(f"http://localhost:{server.https_port}/x", trust_env=False)
    assert response.status_code == 308 and response.headers["location"] == f"{server.url}/x"


@pytest.mark.parametrize("path", ["/", "/status.html", "/chat.js", "/v1/models", "/healthz", "/v1/nothing", "/nothing"])
def test_security_headers_everywhere(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["server"] == "nginx" and len(headers["x-request-id"]) == 32
    assert len(headers.get_list("cache-control")) == 1
    assert headers["cache-control"] == ("no-store" if path.startswith("/v1") or path == "/healthz" else "no-cache")


def test_pages_are_compressed_and_revalidated(client):
    page = client.get("/chat.css")
    assert page.headers["content-encoding"] == "gzip"
    assert client.get("/chat.css", headers={"if-none-match": page.headers["etag"]}).status_code == 304


def test_unknown_page(client):
    response = client.get("/nothing")
    assert response.status_code == 404 and response.headers["content-type"].startswith("text/html")


def test_tls_versions(server):
    def connects(*flags: str) -> bool:
        command = ["openssl", "s_client", "-connect", f"localhost:{server.https_port}", *flags]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0

    assert connects("-tls1_3") and connects("-tls1_2")
    assert not connects("-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0")
    assert not connects("-tls1_2", "-cipher", "DHE-RSA-AES128-SHA")


def test_log_has_no_query_text(server, client):
    client.get("/v1/models?secret=机密").raise_for_status()
    request_id = client.get("/v1/nothing?secret=more").headers["x-request-id"]
    time.sleep(0.2)
    lines = [json.loads(line) for line in (server.run_dir / "access.log").read_text().splitlines()]
    assert all("secret" not in json.dumps(line) for line in lines)
    [line] = [line for line in lines if line["request_id"] == request_id]
    assert line["path"] == "/v1/nothing" and line["status"] == 404


def test_rate_limit_answers_in_shape(server):
    urls = f"{server.url}/v1/models?[1-3000]"
    flood = subprocess.run(
        ["curl", "-sk", "--noproxy", "*", "--http2", "--parallel", "--parallel-max", "50", "-o", "/dev/null",
         "-w", "%{http_code} %header{retry-after}\n", urls],
        capture_output=True, text=True,
    )
    answers = set(flood.stdout.split("\n")) - {""}
    # Three seconds refill the whole burst for the tests that follow.
    time.sleep(3)
    assert answers == {"200 ", "429 1"}
