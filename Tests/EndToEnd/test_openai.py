"""OpenAI's own client against the server: what it asks for is done, or refused by name."""

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

from asking import LABELS, MESSAGES, Judgement, client, create, stream, text, tokenize  # noqa: F401

SCHEMA = {"type": "json_schema", "json_schema": {"name": "mood", "schema": {"type": "string", "enum": LABELS}}}


# --- Sampling


def test_greedy_unless_a_temperature_is_given(client):
    greedy = text(client)
    assert text(client, temperature=0) == text(client, temperature=0, top_p=0.1, seed=7) == text(client, top_p=0.5) == greedy
    assert text(client, temperature=1, top_p=0, seed=1) == greedy


def test_a_seed_repeats_a_reply_whatever_else_runs(server, client):
    alone = [text(client, temperature=1.2, top_p=0.95, seed=seed) for seed in range(6)]
    assert len(set(alone)) > 1
    stop = threading.Event()

    def load(n: int):
        with server.client() as transport:
            other = openai.OpenAI(base_url=f"{server.url}/v1", api_key="x", http_client=transport, max_retries=5)
            while not stop.is_set():
                text(other, temperature=1, messages=[{"role": "user", "content": f"讲讲第{n}件事"}])

    with ThreadPoolExecutor(10) as pool:
        others = [pool.submit(load, n) for n in range(4)]
        again = list(pool.map(lambda seed: text(client, temperature=1.2, top_p=0.95, seed=seed), range(6)))
        stop.set()
        for other in others:
            other.result()
    assert again == alone
    chunks = stream(client, temperature=1.2, top_p=0.95, seed=3)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == alone[3]


def test_without_a_seed_replies_differ(client):
    assert len({text(client, temperature=1.5) for _ in range(8)}) > 1


def test_a_label_is_never_drawn(client):
    assert text(client, model="sentiment", temperature=0, top_p=0.9, seed=1) in LABELS
    with pytest.raises(openai.BadRequestError) as caught:
        create(client, model="sentiment", temperature=0.7)
    assert caught.value.body["param"] == "temperature"


# --- Choices


@pytest.mark.parametrize("extra", [
    {"structured_outputs": {"choice": LABELS}}, {"guided_choice": LABELS},
])
def test_choices_in_vllms_ways(client, extra):
    completion = create(client, extra_body=extra)
    [choice] = completion.choices
    assert choice.message.content in LABELS and choice.finish_reason == "stop"
    assert completion.usage.completion_tokens == len(tokenize(choice.message.content)[0])
    chunks = stream(client, extra_body=extra)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == choice.message.content


def test_choices_by_a_schema(client):
    assert json.loads(text(client, response_format=SCHEMA)) in LABELS
    drawn = [text(client, response_format=SCHEMA, temperature=2, seed=seed) for seed in range(10)]
    assert {json.loads(answer) for answer in drawn} <= set(LABELS)
    assert drawn == [text(client, response_format=SCHEMA, temperature=2, seed=seed) for seed in range(10)]


def test_choices_by_a_pydantic_model(client):
    completion = client.chat.completions.parse(model="chat", messages=MESSAGES, response_format=Judgement)
    assert isinstance(completion.choices[0].message.parsed, Judgement)


@pytest.mark.parametrize("options, param", [
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "string"}}}}, "response_format"),
    ({"extra_body": {"guided_choice": ["a"] * 2}}, "guided_choice"),
    ({"extra_body": {"guided_choice": [str(n) for n in range(65)]}}, "guided_choice"),
    ({"extra_body": {"guided_regex": "a+"}}, "guided_regex"),
    ({"extra_body": {"structured_outputs": {"grammar": "root ::= 'a'"}}}, "structured_outputs"),
    ({"extra_body": {"top_k": 5}}, "top_k"),
    ({"n": 2}, "n"), ({"frequency_penalty": 0.5}, "frequency_penalty"), ({"presence_penalty": 0.5}, "presence_penalty"),
    ({"logit_bias": {"5": 10}}, "logit_bias"), ({"store": True}, "store"), ({"reasoning_effort": "high"}, "reasoning_effort"),
    ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}, "tools"),
    ({"modalities": ["audio"]}, "modalities"), ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
    ({"web_search_options": {}}, "web_search_options"), ({"verbosity": "low"}, "verbosity"),
    ({"stop": list("abcde")}, "stop"), ({"temperature": 2.1}, "temperature"), ({"top_p": 1.1}, "top_p"),
])
def test_what_is_not_done_is_refused_by_name(client, options, param):
    with pytest.raises(openai.BadRequestError) as caught:
        create(client, **options)
    assert caught.value.body["param"] == param and param in caught.value.body["message"]
    assert caught.value.body["type"] == "invalid_request_error"


def test_what_changes_nothing_is_taken(client):
    plain = text(client)
    assert plain == text(
        client, user="u", metadata={"a": "b"}, store=False, service_tier="auto", n=1, frequency_penalty=0,
        presence_penalty=0, logit_bias={}, parallel_tool_calls=True, extra_body={"safety_identifier": "s"},
        response_format={"type": "text"}, modalities=["text"], logprobs=False, seed=5,
    )


# --- The rest of a request


def test_text_parts_and_system_messages(client):
    parts = [{"type": "text", "text": "今天阳光真好，"}, {"type": "text", "text": "心情特别愉快！"}]
    assert text(client, messages=[{"role": "user", "content": parts}]) == text(client)
    for role in ("system", "developer"):
        told = [{"role": role, "content": "请用“朋友”称呼对方。"}, *MESSAGES]
        completion = create(client, messages=told)
        assert completion.usage.prompt_tokens > create(client).usage.prompt_tokens


def test_stop_and_token_limits(client):
    plain = text(client)
    middle = plain[len(plain) // 2]
    for stop in (middle, [middle, "不会出现的字"]):
        cut = create(client, stop=stop).choices[0]
        assert middle not in cut.message.content and plain.startswith(cut.message.content.rstrip("…"))
        assert cut.finish_reason == "stop"
        sent = create(client, stop=stop, logprobs=True).choices[0]
        assert "".join(entry.token for entry in sent.logprobs.content) == sent.message.content == cut.message.content
    for name in ("max_tokens", "max_completion_tokens"):
        completion = create(client, **{name: 3})
        assert completion.usage.completion_tokens == 3 and completion.choices[0].finish_reason == "length"


def test_usage_of_a_stream(client):
    chunks = stream(client, stream_options={"include_usage": True})
    assert chunks[-1].choices == [] and chunks[-1].usage == create(client).usage.model_copy(
        update={"prompt_tokens_details": chunks[-1].usage.prompt_tokens_details})
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert all(chunk.usage is None for chunk in stream(client))


def test_a_model_by_its_name(client):
    model = client.models.retrieve("chat")
    assert model.id == "chat" and model.object == "model" and model in client.models.list().data
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-4")
    assert caught.value.code == "model_not_found"


# --- Headers and errors


def test_the_request_id_is_the_clients_own_or_a_new_one(server, client):
    own = client.chat.completions.with_raw_response.create(
        model="chat", messages=MESSAGES, extra_headers={"X-Request-Id": "my-request_12345"})
    assert own.headers.get_list("x-request-id") == ["my-request_12345"]
    assert own.parse()._request_id == "my-request_12345"
    first = client.chat.completions.with_raw_response.create(model="chat", messages=MESSAGES)
    for odd in ("short", "a b c d e f g h", "x" * 65, "weiß-nicht-was"):
        response = httpx.get(f"{server.url}/v1/models", headers={"X-Request-Id": odd.encode()}, verify=False, trust_env=False)
        assert re.fullmatch("[0-9a-f]{32}", response.headers["x-request-id"])
    assert re.fullmatch("[0-9a-f]{32}", first.headers["x-request-id"])
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="nobody", messages=MESSAGES, extra_headers={"X-Request-Id": "my-failure-1"})
    assert caught.value.request_id == "my-failure-1"


def test_an_error_amid_a_stream_is_raised(client):
    """The time for the answer runs out after the stream has begun."""
    # Fine steps for a fast machine, several times, as the right moment is short there; coarse ones for a slow one.
    for milliseconds in [*range(1, 60)] * 4 + [*range(60, 3_000, 10)]:
        chunks = []
        try:
            for chunk in create(client, stream=True, extra_headers={"X-Request-Timeout-Ms": str(milliseconds)}):
                chunks.append(chunk)
        except openai.APIStatusError:
            assert chunks == []  # before the stream
        except openai.APIError as error:
            assert chunks and error.body["message"] and error.body["type"]
            break
    else:
        pytest.fail("no stream was broken off")
    assert text(client)
