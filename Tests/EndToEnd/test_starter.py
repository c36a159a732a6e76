"""The model that ships: models/starter.gguf is the file its card describes and keeps what the card promises."""

import hashlib
import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import BINARY, MODEL, ROOT

STARTER = ROOT / "models/starter.gguf"
CARD = (ROOT / "models/MODEL_CARD.md").read_text(encoding="utf-8")
WRITTEN = ROOT / "training/handwritten"
DEV = ROOT.parent / "shared/data/sentiment/dev.tsv"
SENTENCE_ENDS = "。！？!?~～…"

pytestmark = pytest.mark.skipif(MODEL != "models/starter.gguf", reason="MODEL names another model")


def rows(name: str) -> list[list[str]]:
    lines = (WRITTEN / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines[1:]]


def classify(client, role: str, texts: list[str]) -> list[dict]:
    out = []
    for start in range(0, len(texts), 32):
        response = client.post("/v1/classify", json={"model": role, "input": texts[start:start + 32]})
        assert response.status_code == 200, response.text
        out += response.json()["data"]
    return out


def replies(server, texts: list[str]) -> list[str]:
    """From eight addresses, as nginx limits the requests of each."""
    def of_share(n: int) -> list[str]:
        with server.client(local_address=f"127.0.0.{100 + n}") as own:
            return [reply(own, text)["message"]["content"] for text in texts[n::8]]

    with ThreadPoolExecutor(8) as pool:
        shares = list(pool.map(of_share, range(8)))
    return [shares[i % 8][i // 8] for i in range(len(texts))]


def reply(client, text: str) -> dict:
    response = client.post("/v1/chat/completions", json={"model": "chat", "messages": [{"role": "user", "content": text}]})
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]


def test_the_card_is_about_this_file():
    assert STARTER.stat().st_size <= 30_000_000
    assert hashlib.sha256(STARTER.read_bytes()).hexdigest() in CARD


def test_offers_the_roles_it_was_trained_for(client):
    assert {"chat", "sentiment", "triage", "offensive"} == {model["id"] for model in client.get("/v1/models").json()["data"]}


SURE = {
    "正面": ["今天太开心了", "我升职了！", "这家店的菜很好吃，还会再来", "房间干净，服务热情，位置也方便", "终于考过了，松了一口气",
             "谢谢你陪我聊天", "这本书写得真好，一口气读完", "物流很快，包装也结实，好评", "女儿今天会叫爸爸了", "天气真好，心情也好"],
    "负面": ["今天心情很差", "又被老板骂了一顿", "太难吃了，再也不来了", "房间又脏又吵，一晚上没睡好", "质量太差，用了两天就坏了",
             "我好难过", "等了两个小时还没送到，饭都凉了", "考试没考好，很难受", "客服态度恶劣，什么问题都不解决", "一点也不好看，浪费时间"],
}


@pytest.mark.parametrize("label", list(SURE))
def test_sentences_whose_label_must_hold(client, label):
    given = classify(client, "sentiment", SURE[label])
    wrong = [text for text, item in zip(SURE[label], given) if item["label"] != label]
    assert not wrong


@pytest.mark.parametrize("role, file, floor", [("sentiment", "heldout-everyday.tsv", 0.9), ("triage", "heldout-triage.tsv", 0.9)])
def test_sentences_that_training_has_not_seen(client, role, file, floor):
    examples = rows(file)
    given = classify(client, role, [text for _, text in examples])
    right = sum(item["label"] == label for item, (label, _) in zip(given, examples))
    assert right >= floor * len(examples)


@pytest.mark.skipif(not DEV.is_file(), reason="needs ../shared/data/sentiment/dev.tsv")
def test_reviews_better_than_the_model_to_beat():
    done = subprocess.run([BINARY, "evaluate", "--model", STARTER, "--json", DEV], cwd=ROOT, capture_output=True, check=True)
    assert json.loads(done.stdout)["accuracy"] >= 0.892


def test_replies_keep_their_length_over_500_prompts(server):
    with (WRITTEN / "dialogues.jsonl").open(encoding="utf-8") as file:
        seen = [json.loads(line)["turns"][0][0] for line in file]
    prompts = [text for _, text in rows("heldout-chat.tsv")]
    prompts += seen[::len(seen) // 300][:500 - len(prompts)]
    assert len(prompts) == 500
    given = replies(server, prompts)
    assert all(1 <= len(text) <= 60 for text in given)
    assert not [text for text in given if text[-1] not in SENTENCE_ENDS]
    assert not [text for text in given if re.search("�|<\\|", text)]


@pytest.mark.parametrize("file", ["heldout-triage.tsv", "heldout-everyday.tsv"])
def test_chat_never_answers_them_with_a_label(server, file):
    labels = ("正面", "负面", "紧急", "一般", "咨询", "冒犯", "正常")
    texts = [text for _, text in rows(file)]
    # A reply may begin with such a word (一般来说…); an answer that is the word alone is another role's.
    assert not [given for given in replies(server, texts) if given.strip("。！") in labels]


def test_the_same_answer_ten_times(client):
    verdicts = [classify(client, "sentiment", ["今天心情很差"])[0] for _ in range(10)]
    assert all(verdict["probs"] == verdicts[0]["probs"] for verdict in verdicts)
    replies = [reply(client, "最近工作压力好大") for _ in range(10)]
    assert all(choice["message"] == replies[0]["message"] for choice in replies)


def test_a_role_it_was_not_trained_for(client):
    response = client.post("/v1/classify", json={"model": "safety", "input": "你好"})
    assert response.status_code == 404
    error = response.json()["error"]
    assert "sentiment" in error["message"] and "--model" in error["message"]
