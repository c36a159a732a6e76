"""Replies by way of the coarse output matrix: the same ones, nearly every token proved by it."""

import csv

import pytest

from harness import ROOT, Server

PROMPTS = 60


@pytest.fixture(scope="module")
def coarse(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("coarse"), OPTIONS="--coarse-output")
    yield server
    server.stop()


def prompts() -> list[str]:
    with (ROOT / "training/handwritten/heldout-chat.tsv").open(encoding="utf-8", newline="") as file:
        return [row[1] for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)][1 : PROMPTS + 1]


def ask(client, text: str, **more) -> dict:
    body = {"model": "chat", "messages": [{"role": "user", "content": text}], **more}
    response = client.post("/v1/chat/completions", json=body)
    response.raise_for_status()
    return response.json()["choices"][0]


def looked_for(server) -> dict[str, float]:
    metrics = server.metrics()
    return {result: metrics[f'llm_coarse_output_tokens_total{{result="{result}"}}'] for result in ("proved", "not_proved")}


def test_replies_are_the_same(coarse, server):
    with coarse.client() as one, server.client() as other:
        for prompt in prompts():
            assert ask(one, prompt)["message"] == ask(other, prompt)["message"], prompt
    counts = looked_for(coarse)
    assert counts["proved"] > 5 * PROMPTS
    assert counts["not_proved"] <= 0.1 * counts["proved"]
    assert looked_for(server) == {"proved": 0, "not_proved": 0}


def test_what_needs_the_whole_logits_gets_them(coarse, server):
    before = looked_for(coarse)
    for more in ({"logprobs": True, "top_logprobs": 3}, {"temperature": 0.8, "seed": 3}):
        with coarse.client() as one, server.client() as other:
            assert ask(one, "周末去哪玩好呢", **more) == ask(other, "周末去哪玩好呢", **more)
    assert looked_for(coarse) == before


def test_the_copy_is_in_the_budget(coarse, server):
    more = coarse.metrics()["llm_memory_budget_bytes"] - server.metrics()["llm_memory_budget_bytes"]
    assert more == pytest.approx(6016 * (256 * 18 / 32 + 8), rel=0.01)
