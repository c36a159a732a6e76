"""LangChain against the server."""

import openai
import pytest
from langchain_openai import ChatOpenAI

from asking import LABELS, Judgement, client, create  # noqa: F401


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
