"""OpenAI's own client, and the questions that the tests ask by it."""

import json
import subprocess
from enum import Enum
from typing import Literal

import openai
import pytest
from pydantic import BaseModel

from harness import BINARY, MODEL, ROOT

MESSAGES = [{"role": "user", "content": "今天阳光真好，心情特别愉快！"}]
LABELS = ["正面", "负面"]


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


def program(*arguments: str, input: str = "") -> str:
    return subprocess.run([BINARY, *arguments], cwd=ROOT, input=input.encode(), capture_output=True, check=True).stdout.decode()


def tokenize(*texts: str) -> list[list[int]]:
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    return [json.loads(line) for line in program("tokenize", "--model", MODEL, "--jsonl", input=lines).splitlines()]


class Topic(Enum):
    WEATHER = "天气"
    FOOD = "吃饭"


class Judgement(BaseModel):
    mood: Literal["正面", "负面"]
    topic: Topic
    urgent: bool
