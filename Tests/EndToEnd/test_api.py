"""The API as clients use it: curl, the OpenAI library, many at once."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

from harness import wait_until

HAPPY = "今天阳光真好，心情特别愉快！"
SAD = "太失望了，质量很差，再也不会买了。"
LABELS = {"正面", "负面"}


@pytest.fixture(scope="module")
def openai_client(server):
    with server.client() as transport:
        yield openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", http_client=transport, max_retries=0)


def classify(client: httpx.Client, text: str) -> dict:
    response = client.post("/v1/classify", json={"model": "sentiment", "input": text})
    assert response.status_code == 200, response.text
    return response.json()


def test_curl_with_the_printed_certificate(server):
    answer = subprocess.run(
        ["curl", "-sS", "--noproxy", "*", "--cacert", server.certificate, f"{server.url}/v1/classify",
         "-d", json.dumps({"model": "sentiment", "input": HAPPY})],
        capture_output=True, text=True, check=True,
    )
    assert json.loads(answer.stdout)["data"][0]["label"] in LABELS


def test_classify_returns_probabilities(client):
    answer = classify(client, SAD)
    assert answer["object"] == "list" and answer["model"] == "sentiment"
    [item] = answer["data"]
    assert item["index"] == 0 and item["label"] in LABELS and item["num_classes"] == 2
    assert item["labels"] == ["正面", "负面"] and len(item["probs"]) == 2
    assert sum(item["probs"]) == pytest.approx(1, abs=1e-6)
    assert item["label"] == item["labels"][item["probs"].index(max(item["probs"]))]


def test_classify_takes_an_array(client):
    texts = [HAPPY, SAD, HAPPY]
    response = client.post("/v1/classify", json={"model": "sentiment", "input": texts})
    assert response.status_code == 200, response.text
    items = response.json()["data"]
    assert [item["index"] for item in items] == [0, 1, 2]
    alone = [classify(client, text)["data"][0] for text in texts]
    assert [(i["label"], i["probs"]) for i in items] == [(i["label"], i["probs"]) for i in alone]


def test_models_are_the_roles(openai_client):
    assert {"chat", "sentiment"} <= {model.id for model in openai_client.models.list()}


def test_openai_label(openai_client):
    completion = openai_client.chat.completions.create(model="sentiment", messages=[{"role": "user", "content": HAPPY}])
    choice = completion.choices[0]
    assert choice.message.role == "assistant" and choice.message.content in LABELS
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens


def test_openai_stream_equals_plain(openai_client):
    messages = [{"role": "user", "content": HAPPY}]
    plain = openai_client.chat.completions.create(model="chat", messages=messages)
    text = plain.choices[0].message.content
    assert 0 < len(text) <= 60
    chunks = list(
        openai_client.chat.completions.create(
            model="chat", messages=messages, stream=True, stream_options={"include_usage": True}
        )
    )
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[0].model_extra["labels"]["sentiment"]["label"] in LABELS
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == text
    assert chunks[-2].choices[0].finish_reason == plain.choices[0].finish_reason
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == plain.usage.completion_tokens


def test_openai_error_type(openai_client):
    with pytest.raises(openai.APIStatusError) as caught:
        openai_client.chat.completions.create(model="nobody", messages=[{"role": "user", "content": "hi"}])
    assert 400 <= caught.value.status_code < 500 and caught.value.body["message"]


def test_same_sentence_ten_times(client):
    answers = [classify(client, SAD)["data"][0] for _ in range(10)]
    assert all(answer == answers[0] for answer in answers)
    replies = [
        client.post("/v1/chat/completions", json={"model": "chat", "messages": [{"role": "user", "content": SAD}]})
        .json()["choices"][0]["message"]["content"]
        for _ in range(10)
    ]
    assert len(set(replies)) == 1


def test_eight_clients_at_once_get_what_one_gets(server, client):
    texts = [f"{HAPPY if n % 2 else SAD}第{n}次" for n in range(8)]

    def ask(text: str) -> tuple[str, str]:
        with server.client() as own:
            reply = own.post("/v1/chat/completions", json={"model": "chat", "messages": [{"role": "user", "content": text}]})
            assert reply.status_code == 200, reply.text
            return reply.json()["choices"][0]["message"]["content"], classify(own, text)["data"][0]["probs"]

    alone = [ask(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, texts)) == alone


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_a_gone_client_frees_its_sequence(server, http2):
    def cancelled() -> float:
        return server.metrics()['llm_requests_total{role="chat",outcome="cancelled"}']

    def leave_after_the_first_event():
        with server.client(http2=http2) as leaving:
            body = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": HAPPY}]}
            with leaving.stream("POST", "/v1/chat/completions", json=body) as response:
                assert response.headers["content-type"].startswith("text/event-stream")
                next(response.iter_raw())

    before = cancelled()
    # A small model may have finished a short reply before the client is gone: not every attempt counts.
    for _ in range(100):
        leave_after_the_first_event()
        if cancelled() > before:
            break
    assert cancelled() > before
    wait_until(lambda: server.metrics()["llm_num_requests_running"] == 0, 5, "no request is running")
    wait_until(lambda: server.metrics()["llm_num_requests_waiting"] == 0, 5, "no request is waiting")
