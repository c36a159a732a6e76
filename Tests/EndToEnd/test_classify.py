"""Labels: many texts in one call, labels without a role file, abstention."""

import pytest

INSTRUCTION = "你是一个专注情感二分类的AI,不提供解释,不生成额外文本,只输出“正面”或“负面”。"
TEXTS = [f"{mood}，第{n}次" for n in range(128) for mood in ("今天阳光真好，特别愉快", "太失望了，质量很差")]


def classify(client, **body) -> dict:
    response = client.post("/v1/classify", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_256_texts_are_judged_as_each_by_itself(client):
    answer = classify(client, model="sentiment", input=TEXTS)
    items = answer["data"]
    assert [item["index"] for item in items] == list(range(256))
    assert sum(item["tokens"] for item in items) == answer["usage"]["prompt_tokens"]
    for index in (0, 1, 100, 255):
        [alone] = classify(client, model="sentiment", input=TEXTS[index])["data"]
        assert alone == {**items[index], "index": 0}
    assert client.post("/v1/classify", json={"model": "sentiment", "input": [*TEXTS, "x"]}).status_code == 400


def test_labels_of_a_request_as_those_of_a_role(client):
    own = classify(client, labels=["正面", "负面"], instruction=INSTRUCTION, input=TEXTS[:6])
    assert own["model"] == "ad-hoc"
    assert own["data"] == classify(client, model="sentiment", input=TEXTS[:6])["data"]


def test_labels_that_begin_alike(client):
    labels = ["退款", "退款加急", "退", "咨询服务与其他问题", *(f"类别{n}" for n in range(60))]
    [item] = classify(client, labels=labels, instruction="分类", input="东西坏了")["data"]
    assert item["labels"] == labels and item["num_classes"] == 64
    assert sum(item["probs"]) == pytest.approx(1, abs=1e-9)
    ranked = sorted(item["probs"], reverse=True)
    assert item["label"] == labels[item["probs"].index(ranked[0])]
    assert item["margin"] == pytest.approx(ranked[0] - ranked[1], abs=1e-12)


def test_abstention(client):
    task = {"labels": ["正面", "负面"], "instruction": INSTRUCTION, "input": TEXTS[0]}
    assert [classify(client, **task, abstain_below=t)["data"][0]["abstained"] for t in (0, 1)] == [False, True]


@pytest.mark.parametrize(
    "body, param",
    [
        ({"labels": ["a", "b"], "input": "x"}, "instruction"),
        ({"model": "sentiment", "labels": ["a", "b"], "instruction": "i", "input": "x"}, "model"),
        ({"labels": ["a", "a"], "instruction": "i", "input": "x"}, "labels[1]"),
        ({"labels": ["a"], "instruction": "i", "input": "x"}, "labels"),
    ],
)
def test_faults_are_named(client, body, param):
    response = client.post("/v1/classify", json=body)
    assert response.status_code == 400 and response.json()["error"]["param"] == param
