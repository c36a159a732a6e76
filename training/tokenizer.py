"""Trains the byte-level BPE of the starter model: Qwen2's pipeline with a vocabulary of a few thousand tokens.

    python tokenizer.py --data DIR --out FOLDER [--vocab 6000]

Writes tokenizer.json, tokenizer_config.json, vocab.json and merges.txt. The three control tokens take the last ids.
"""
import argparse
import json
import os
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from corpus import ROLES, read_lines, role

CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
# The pre-tokenizer pattern of Qwen2's tokenizer.json.
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")
CHAT_TEMPLATE = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] "
                 "+ '<|im_end|>' + '\n'}}{% endfor %}"
                 "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")


def texts(data, characters, seed=1):
    """Yields about `characters` of training text: all of sentiment, and samples of chat and of the corpus."""
    rng = random.Random(seed)
    for row in read_lines(data, "sentiment/train.jsonl.xz"):
        yield row["text"]
    spent = 0
    for name, share in [("chat/pairs.jsonl.xz", 0.6), ("lm/corpus.jsonl.xz", 0.3)]:
        for row in read_lines(data, name):
            if rng.random() < share and spent < characters:
                text = row["text"] if "text" in row else row["u"] + "\n" + row["a"]
                spent += len(text)
                yield text
    # The words of the protocol are frequent in use, rare in the texts.
    for word in ["正面", "负面", "system\n", "user\n", "assistant\n"]:
        for _ in range(20000):
            yield word


def build(data, vocab, characters):
    """Returns a trained `Tokenizer` of exactly `vocab` tokens."""
    tokenizer = Tokenizer(models.BPE(continuing_subword_prefix="", end_of_word_suffix="", fuse_unk=False))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)])
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    trainer = trainers.BpeTrainer(vocab_size=vocab - len(CONTROL), show_progress=False, special_tokens=[],
                                  max_token_length=24,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(texts(data, characters), trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in CONTROL])
    return tokenizer


def save(tokenizer, out):
    """Writes the folder that Hugging Face's Qwen2Tokenizer loads."""
    os.makedirs(out, exist_ok=True)
    tokenizer.save(os.path.join(out, "tokenizer.json"))
    with open(os.path.join(out, "tokenizer.json"), encoding="utf-8") as f:
        model = json.load(f)["model"]
    with open(os.path.join(out, "vocab.json"), "w", encoding="utf-8") as f:
        json.dump(model["vocab"], f, ensure_ascii=False)
    with open(os.path.join(out, "merges.txt"), "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n")
        f.writelines((m if isinstance(m, str) else " ".join(m)) + "\n" for m in model["merges"])
    added = {str(tokenizer.token_to_id(t)): {"content": t, "lstrip": False, "normalized": False, "rstrip": False,
                                             "single_word": False, "special": True} for t in CONTROL}
    config = {"add_prefix_space": False, "added_tokens_decoder": added, "additional_special_tokens": CONTROL[1:],
              "bos_token": None, "chat_template": CHAT_TEMPLATE, "clean_up_tokenization_spaces": False,
              "eos_token": "<|im_end|>", "errors": "replace", "model_max_length": 2048,
              "pad_token": "<|endoftext|>", "split_special_tokens": False, "tokenizer_class": "Qwen2Tokenizer",
              "unk_token": None}
    with open(os.path.join(out, "tokenizer_config.json"), "w", encoding="utf-8") as f:
        json.dump(config, f, ensure_ascii=False, indent=2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--vocab", type=int, default=6000)
    parser.add_argument("--characters", type=int, default=9_000_000, help="of chat and corpus text, beside sentiment")
    args = parser.parse_args()
    tokenizer = build(args.data, args.vocab, args.characters)
    save(tokenizer, args.out)
    print("tokens", tokenizer.get_vocab_size())
    for text in ["正面", "负面", *(role(name)["system"] for name in ROLES), "酒店环境很好，服务也不错！"]:
        print(text, tokenizer.encode(text).ids)


if __name__ == "__main__":
    main()
