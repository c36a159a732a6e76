"""Log-probabilities as OpenAI's client asks for them: those of the model, of the text that was sent."""

import array
import json
import math
import re

import openai
import pytest

from asking import MESSAGES, client, create, program, stream, tokenize  # noqa: F401
from harness import MODEL, ROOT


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
