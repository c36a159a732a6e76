"""What role files decide: texts that are fixed, and which roles a model offers."""

import json
import shutil
import subprocess

import openai
import pytest

from harness import BINARY, MODEL, ROOT, Server

CRY = "我不想活了"
POET = """\
name: poet
system: 只输出“诗”或“文”。
input: { max_characters: 128, overflow: truncate }
output: { labels: [诗, 文], max_tokens: 12 }
"""


def chat(client, text: str, **options):
    body = {"model": "chat", "messages": [{"role": "user", "content": text}], **options}
    response = client.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    return response


def test_a_fixed_reply_everywhere(server, client):
    metric = 'llm_fixed_replies_total{role="chat",rule="self_harm"}'
    before = server.metrics()[metric]
    plain = chat(client, CRY, max_tokens=1, stop=["12356"])
    answer = plain.json()
    text = answer["choices"][0]["message"]["content"]
    assert "12356" in text and len(text) <= 60
    assert answer["choices"][0]["finish_reason"] == "stop" and answer["usage"]["completion_tokens"] > 1
    assert answer["labels"]["sentiment"]["label"] in {"正面", "负面"}

    openai_client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", http_client=client, max_retries=0)
    chunks = list(
        openai_client.chat.completions.create(
            model="chat", messages=[{"role": "user", "content": CRY}], stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == text
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens == answer["usage"]["completion_tokens"]

    said = subprocess.run([BINARY, "chat", "--model", MODEL, CRY], cwd=ROOT, capture_output=True, check=True)
    assert said.stdout.decode() == text + "\n"
    assert server.metrics()[metric] == before + 2
    log = [json.loads(line) for line in (server.run_dir / "responder.log").read_text().splitlines()]
    [line] = [line for line in log if line.get("request_id") == plain.headers["x-request-id"]]
    assert line["fixed_reply"] == "self_harm" and CRY not in json.dumps(line, ensure_ascii=False)


@pytest.mark.parametrize("text", ["笑死我了，今天真开心", "想死你了", "周末不想活动"])
def test_ordinary_talk_is_answered_by_the_model(client, text):
    assert "12356" not in chat(client, text).json()["choices"][0]["message"]["content"]


@pytest.fixture(scope="module")
def roles_with_a_poet(tmp_path_factory):
    shown = subprocess.run([BINARY, "inspect", "--json", MODEL], cwd=ROOT, capture_output=True, check=True)
    metadata = {entry["key"]: entry["value"] for entry in json.loads(shown.stdout)["metadata"]}
    if "qwen_all_in_one.roles" not in metadata:
        pytest.skip("the model names no roles that it was trained for")
    folder = tmp_path_factory.mktemp("roles") / "roles"
    shutil.copytree(ROOT / "roles", folder)
    (folder / "poet.yaml").write_text(POET)
    return folder


def test_untrained_roles_are_not_offered(roles_with_a_poet, tmp_path):
    started = Server(tmp_path, ROLES=str(roles_with_a_poet))
    with started.client() as client:
        names = {model["id"] for model in client.get("/v1/models").json()["data"]}
        assert {"chat", "sentiment"} <= names and "poet" not in names
        response = client.post("/v1/classify", json={"model": "poet", "input": "床前明月光"})
        assert response.status_code == 404 and response.json()["error"]["code"] == "role_not_trained"
        assert "--model" in response.json()["error"]["message"]
        assert "chat" in client.get("/status.json").json()["model"]["trained_roles"]
    log = [json.loads(line) for line in (tmp_path / "responder.log").read_text().splitlines()]
    [ready] = [line for line in log if line["message"] == "ready"]
    assert "poet" in ready["roles_left_out"].split() and "poet" not in ready["roles"].split()
    assert started.stop() == 0


@pytest.mark.parametrize("command", [["classify", "好"], ["evaluate", "nowhere.tsv"], ["chat", "好"]])
def test_commands_refuse_an_untrained_role(roles_with_a_poet, command):
    options = ["--model", MODEL, "--roles", roles_with_a_poet, "--role", "poet"]
    done = subprocess.run(
        [BINARY, command[0], *options, *command[1:]], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True
    )
    assert done.returncode == 1 and done.stdout == b""
    assert done.stderr.decode().startswith("Error: the model was not trained for the role 'poet', only for ")
    assert done.stderr.decode().count("\n") == 1
