"""OpenAI's own client and LangChain against the server: what they ask for is done, or refused by name."""

import array
import json
import math
import re
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import Literal

import httpx
import openai
import pytest
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from harness import BINARY, MODEL, ROOT

MESSAGES = [{"role": "user", "content": "今天阳光真好，心情特别愉快！"}]
LABELS = ["正面", "负面"]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "mood", "schema": {"type": "string", "enum": LABELS}}}


@pytest.fixture(scope="module")
def client(server):
    with server.client() as transport:
        yield openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", http_client=transport, max_retries=0)


def create(client, **options):
    return client.chat.completions.create(**{"model": "chat", "messages": MESSAGES, **options})


def text(client, **options) -> str:
    return create(client, **options).choices[0].message.content


def stream(client, **options) -> list:
    return list(create(client, stream=True, **options))


# --- Log-probabilities


def program(*arguments: str, input: str = "") -> str:
    return subprocess.run([BINARY, *arguments], cwd=ROOT, input=input.encode(), capture_output=True, check=True).stdout.decode()


def tokenize(*texts: str) -> list[list[int]]:
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    return [json.loads(line) for line in program("tokenize", "--model", MODEL, "--jsonl", input=lines).splitlines()]


def prompt_ids(system: str, user: str) -> tuple[list[int], int]:
    """The ChatML prompt of a role, and the id of <|im_end|>: the last token, with <|im_start|> before it."""
    end = int(re.search(r"tokenizer\.ggml\.eos_token_id +uint32 +(\d+)", program("inspect", MODEL))[1])
    first, newline, second, author = tokenize(f"system\n{system}", "\n", f"user\n{user}", "assistant\n")
    start = end - 1
    return [start, *first, end, *newline, start, *second, end, *newline, start, *author], end


def logits(ids: list[int], folder) -> list[array.array]:
    out = folder / "logits.f32"
    program("logits", "--model", MODEL, "--ids", ",".join(map(str, ids)), "--all", "--out", str(out))
    values = array.array("f", out.read_bytes())
    count = len(values) // len(ids)
    return [values[n * count:(n + 1) * count] for n in range(len(ids))]


def log_softmax(row) -> list[float]:
    greatest = max(row)
    total = math.log(math.fsum(math.exp(value - greatest) for value in row))
    return [value - greatest - total for value in row]


@pytest.mark.skipif(MODEL != "models/starter.gguf", reason="the place of the control tokens is the starter model's")
def test_logprobs_are_those_of_the_whole_vocabulary(client, tmp_path):
    system = re.search(r"system: \|\n((?:  .*\n)+)", (ROOT / "roles/chat.yaml").read_text())[1]
    system = "\n".join(line[2:] for line in system.splitlines())
    completion = create(client, logprobs=True, top_logprobs=5)
    prompt, end = prompt_ids(system, MESSAGES[0]["content"])
    assert completion.usage.prompt_tokens == len(prompt)
    entries = completion.choices[0].logprobs.content
    assert entries
    # The tokens of a reply are not always those of its text: as far as they agree, the places can be compared.
    reply = tokenize(completion.choices[0].message.content)[0]
    pieces = [json.loads(line.split("\t")[1]) for line in
              program("tokenize", "--model", MODEL, "--pieces", input=completion.choices[0].message.content).splitlines()]
    rows = logits(prompt + reply, tmp_path)
    compared = 0
    for n, entry in enumerate(entries):
        if n >= len(pieces) or entry.token != pieces[n]:
            break
        expected = log_softmax(rows[len(prompt) - 1 + n][:end + 1])
        assert entry.logprob == pytest.approx(expected[reply[n]], abs=2e-5)
        best = sorted(expected, reverse=True)[:5]
        assert [top.logprob for top in entry.top_logprobs] == pytest.approx(best, abs=2e-5)
        compared += 1
    assert compared >= 5


def test_logprobs_are_of_the_text_that_was_sent(client):
    for message in ("你好", "写一篇一千字的文章", "今天心情很差，怎么办？", "hello 😀"):
        messages = [{"role": "user", "content": message}]
        choice = create(client, messages=messages, logprobs=True).choices[0]
        sent = b"".join(bytes(entry.bytes) for entry in choice.logprobs.content).decode(errors="replace")
        content = choice.message.content
        assert content in (sent, sent + "…")
        assert all(entry.top_logprobs == [] and entry.logprob <= 0 for entry in choice.logprobs.content)
        chunks = stream(client, messages=messages, logprobs=True)
        streamed = [e for c in chunks if c.choices and c.choices[0].logprobs for e in c.choices[0].logprobs.content]
        assert streamed == choice.logprobs.content


def test_logprobs_of_a_label_are_its_probability(client):
    completion = create(client, model="sentiment", logprobs=True, top_logprobs=2)
    [choice] = completion.choices
    total = sum(entry.logprob for entry in choice.logprobs.content)
    assert math.exp(total) == pytest.approx(max(completion.model_extra["labels"]["sentiment"]["probs"]), abs=1e-5)
    assert "".join(entry.token for entry in choice.logprobs.content) == choice.message.content


def test_logprobs_are_asked_for(client):
    assert create(client).choices[0].logprobs is None
    for options in ({"top_logprobs": 3}, {"logprobs": True, "top_logprobs": 21}):
        with pytest.raises(openai.BadRequestError) as caught:
            create(client, **options)
        assert caught.value.body["param"] == "top_logprobs"


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


class Topic(Enum):
    WEATHER = "天气"
    FOOD = "吃饭"


class Judgement(BaseModel):
    mood: Literal["正面", "负面"]
    topic: Topic
    urgent: bool


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


# --- LangChain


@pytest.fixture(scope="module")
def langchain(server):
    with server.client() as transport:
        def make(model: str = "chat", **options) -> ChatOpenAI:
            return ChatOpenAI(model=model, base_url=f"{server.url}/v1", api_key="unused", http_client=transport, **options)
        yield make


def test_langchain_plain_and_streamed(client, langchain):
    chat = langchain()
    message = chat.invoke([("system", "简短一点。"), ("user", "你好")])
    expected = create(client, messages=[{"role": "system", "content": "简短一点。"}, {"role": "user", "content": "你好"}])
    assert message.content == expected.choices[0].message.content
    assert message.usage_metadata["total_tokens"] == expected.usage.total_tokens
    chunks = list(langchain(stream_usage=True).stream([("system", "简短一点。"), ("user", "你好")]))
    assert "".join(chunk.content for chunk in chunks) == message.content
    assert sum(c.usage_metadata["total_tokens"] for c in chunks if c.usage_metadata) == expected.usage.total_tokens
    assert langchain(model="sentiment").invoke("太失望了").content in LABELS


def test_langchain_history_seed_and_logprobs(langchain):
    history = [("user", "你好"), ("assistant", "你好呀！"), ("user", "今天有点累")]
    drawn = langchain(temperature=1, seed=11)
    assert drawn.invoke(history).content == drawn.invoke(history).content
    answer = langchain(logprobs=True, top_logprobs=2).invoke(history)
    assert answer.response_metadata["logprobs"]["content"][0]["top_logprobs"]


def test_langchain_structured_output(langchain):
    assert isinstance(langchain().with_structured_output(Judgement, method="json_schema").invoke("下雨了"), Judgement)


def test_langchain_errors(langchain):
    with pytest.raises(openai.NotFoundError):
        langchain(model="nobody").invoke("你好")
    with pytest.raises(openai.BadRequestError) as caught:
        langchain(frequency_penalty=1.5).invoke("你好")
    assert caught.value.body["param"] == "frequency_penalty"
