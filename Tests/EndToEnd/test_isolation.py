"""Nothing of one client's conversation is seen by another: neither text nor what the prefix cache knows."""

import itertools
import random
import string
from concurrent.futures import ThreadPoolExecutor

CHAT = "/v1/chat/completions"
CONVERSATIONS = 1000


def ask(client, messages: list[dict], **more) -> dict:
    answer = client.post(CHAT, json={"model": "chat", "max_tokens": 8, "messages": messages, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def cached(answer: dict) -> int:
    return answer["usage"]["prompt_tokens_details"]["cached_tokens"]


def said(answer: dict) -> str:
    return answer["choices"][0]["message"]["content"]


def user(text: str) -> dict:
    return {"role": "user", "content": text}


class Conversation:
    """Two turns about a secret word; by salt, or by one of two addresses."""

    def __init__(self, number: int, marker: str):
        self.number, self.marker = number, marker
        self.first = [user(f"我的暗号是{marker}，请记住它，再跟我聊聊今天的心情。")]
        self.owner = {"cache_salt": f"conversation {number}"} if number % 2 else {}
        self.answers = []

    def turn(self, clients):
        client = clients[self.number // 2 % 2]
        messages = list(self.first)
        for answer in self.answers:
            messages += [{"role": "assistant", "content": said(answer)}, user(f"{self.marker}之后，我们说点别的吧。")]
        self.answers.append(ask(client, messages, logprobs=True, top_logprobs=2, **self.owner))


def test_markers_stay_in_their_conversations(server):
    source = random.Random(5)
    markers = ["".join(source.choices(string.ascii_uppercase + string.digits, k=8)) for _ in range(CONVERSATIONS)]
    conversations = [Conversation(number, marker) for number, marker in enumerate(markers)]
    with server.client() as one, server.client(local_address="127.0.0.2") as other, ThreadPoolExecutor(16) as pool:
        # Few enough at a time that the cache still has the first turn when the second comes.
        for start in range(0, CONVERSATIONS, 20):
            for _ in range(2):
                group = source.sample(conversations[start:start + 20], 20)
                list(pool.map(lambda conversation: conversation.turn((one, other)), group))
        everything = {c.marker: "\n".join(str(answer) for answer in c.answers) for c in conversations}
        known = set(markers)
        for marker, text in everything.items():
            runs = ("".join(run) for is_word, run in itertools.groupby(text, str.isalnum) if is_word)
            seen = {run[i:i + 8] for run in runs for i in range(len(run) - 7)} & known
            assert seen <= {marker}, f"{marker} saw {seen}"
        # The first turn finds the role's prompt and no more, whoever asked what before.
        assert len({cached(c.answers[0]) for c in conversations}) == 1
        assert sum(cached(c.answers[1]) > cached(c.answers[0]) for c in conversations) > CONVERSATIONS / 2
        # Alone and without any cache each says the same, to the last bit.
        for conversation in conversations[::25]:
            alone = Conversation(conversation.number, conversation.marker)
            alone.owner = {"cache_salt": f"alone {conversation.number}"}
            for _ in range(2):
                alone.turn((one, one))
            assert [a["choices"] for a in alone.answers] == [a["choices"] for a in conversation.answers]


def test_cached_tokens_tell_nothing_of_others(server):
    question = [user("这是只有我知道的一句很长的话，" * 12 + "你怎么看？")]
    with server.client() as one, server.client(local_address="127.0.0.2") as other:
        role_alone = cached(ask(one, [user("嗯")], cache_salt="nobody else's"))
        assert cached(ask(one, question)) == role_alone
        assert cached(ask(one, question)) > role_alone
        assert cached(ask(other, question)) == role_alone
        assert cached(ask(other, question, cache_salt="mine")) == role_alone
        assert cached(ask(one, question, cache_salt="mine too")) == role_alone
        assert cached(ask(one, question, cache_salt="mine")) > role_alone


def test_long_history_is_cut_and_flagged(client):
    past = [message for n in range(400) for message in (user(f"第{n}天，我们去散步了，天气很好。"), {"role": "assistant", "content": f"第{n}天真不错！"})]
    question = [user("今天呢？")]
    whole = ask(client, past + question, cache_salt="long")
    dropped = whole["truncated_messages"]
    assert 0 < dropped < len(past) and dropped % 2 == 0
    kept = ask(client, past[dropped:] + question, cache_salt="kept")
    assert "truncated_messages" not in kept
    assert (kept["choices"], kept["usage"]["prompt_tokens"]) == (whole["choices"], whole["usage"]["prompt_tokens"])
    # A message of the past that is longer than the role takes is no error either: it is not remembered.
    answer = ask(client, [user("好" * 3000), {"role": "assistant", "content": "好！"}, *question])
    assert answer["truncated_messages"] == 2 and said(answer) == said(ask(client, question))
