"""A KV cache in 8 bit: the service answers as with the default, from about half the memory."""

import json
import subprocess

from harness import BINARY, MODEL, ROOT, Server

GOOD = ["房间干净，服务也好，下次还来", "物流很快，东西很喜欢", "这本书写得真好，推荐大家看"]
BAD = ["太差了，再也不会来了", "用了两天就坏了，客服也不理人", "味道难吃，等了一个小时"]
QUESTION = {"role": "user", "content": "最近工作压力好大，晚上睡不着"}


def cache_bytes(server: Server) -> int:
    """Of the worst case that the log has at start."""
    log = [json.loads(line) for line in (server.run_dir / "responder.log").read_text().splitlines()]
    return [line for line in log if line["message"] == "memory budget"][-1]["kv_cache"]


def answers(server: Server) -> tuple[list, dict, str]:
    """The labels of the texts, usage and content of a conversation's second turn."""
    with server.client() as client:
        labels = client.post("/v1/classify", json={"model": "sentiment", "input": GOOD + BAD}).json()["data"]
        messages = [QUESTION]
        for _ in range(2):
            response = client.post("/v1/chat/completions", json={"model": "chat", "messages": messages})
            assert response.status_code == 200, response.text
            reply = response.json()["choices"][0]["message"]["content"]
            messages += [{"role": "assistant", "content": reply}, {"role": "user", "content": "谢谢你"}]
        return [each["label"] for each in labels], response.json()["usage"], reply


def test_an_int8_cache_answers_from_half_the_memory(tmp_path):
    def run(options: str) -> tuple:
        server = Server(tmp_path, OPTIONS=options)
        try:
            assert "\nNot ready:" not in server.text(), server.text()
            metrics = server.metrics()
            assert metrics["process_resident_memory_bytes"] < metrics["llm_memory_budget_bytes"]
            return cache_bytes(server), metrics["llm_memory_budget_bytes"], *answers(server)
        finally:
            assert server.stop() == 0

    bytes16, budget16, labels16, usage16, reply16 = run("--kv-tokens 16384")
    # In the same state folder: that the canary's bits are others now is no fault of the machine.
    bytes8, budget8, labels8, usage8, reply8 = run("--kv-tokens 16384 --kv-precision int8")
    assert 0.5 < bytes8 / bytes16 < 0.6 and budget16 - budget8 == bytes16 - bytes8
    assert reply16 and reply8
    assert usage16["prompt_tokens_details"]["cached_tokens"] > 0
    assert usage8["prompt_tokens_details"]["cached_tokens"] > 0
    assert len(labels8) == 6 and labels8 == labels16


def test_says_which_precisions_there_are():
    command = [BINARY, "serve", "--model", MODEL, "--kv-precision", "int4"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert refused.returncode == 64
    assert all(name in refused.stderr for name in ("f16", "f32", "int8")), refused.stderr
