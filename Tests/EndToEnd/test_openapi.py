"""The OpenAPI document through nginx, and schemathesis against it: what the document says is what the server does."""

import json
import subprocess
import sys
from pathlib import Path

import httpx

EXAMPLES = 12  # for each operation and phase
CONFIG = """
[checks.positive_data_acceptance]
# What no schema can say: turns, a role's own limits, what goes with what, an unknown role, a queue that is full.
expected-statuses = ["2xx", "400", "404", "413", "429"]
"""


def document(client: httpx.Client) -> dict:
    response = client.get("/openapi.json")
    assert response.status_code == 200 and response.headers["content-type"] == "application/json"
    return response.json()


def test_the_document_is_served(client):
    served = document(client)
    assert served["openapi"].startswith("3.1.") and "/v1/chat/completions" in served["paths"]


def test_schemathesis_passes(server, client, tmp_path):
    asked = document(client)
    # Random names are no roles, random conversations take no turns, and a millisecond is too short for any answer.
    schemas = asked["components"]["schemas"]
    schemas["ChatRequest"]["properties"]["model"]["enum"] = ["chat", "sentiment"]
    messages = schemas["ChatRequest"]["properties"]["messages"]
    messages["maxItems"], schemas["Message"]["properties"]["role"]["enum"] = 1, ["user"]
    schemas["ClassifyRequest"]["properties"]["model"] = {"enum": ["sentiment", "triage"]}
    asked["components"]["parameters"]["Timeout"]["schema"]["minimum"] = 60_000
    (tmp_path / "openapi.json").write_text(json.dumps(asked))
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    command = [
        Path(sys.executable).with_name("st"), "--config-file", "schemathesis.toml", "run", "openapi.json",
        "--url", server.url, "--tls-verify", str(server.certificate), "--max-examples", str(EXAMPLES), "--seed", "1",
        # One thread: CPython 3.11 loses count of an AST's depth where two of them build one.
        "--workers", "1", "--suppress-health-check", "all", "--request-timeout", "30", "--no-color",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
