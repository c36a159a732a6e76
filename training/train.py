"""Trains the starter model: language-model pretraining, then a mixture of the roles' own prompts.

    python train.py --data DIR --out FOLDER [--steps 2500] [--minutes 0]

FOLDER gets tokenizer/, checkpoint.pt (training resumes from it) and hf/, the exported model, refreshed as it goes.
With --minutes the schedule is cut to that much time: progress is the larger of steps done and minutes spent.
"""
import argparse
import os
import subprocess
import sys
import time

import torch
from torch import distributed, multiprocessing
from torch.nn import functional as F

from batches import Codec, role_batches, text_batches
from corpus import LABELS, dialogues, documents, read_dev, reviews
from evaluate import PROMPTS, confusion, reply
from export import export
from model import Qwen2, Shape
from optimizer import optimizers

HERE = os.path.dirname(os.path.abspath(__file__))


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--data", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--export", help="the exported folder (default: OUT/hf)")
    p.add_argument("--vocab", type=int, default=6000)
    p.add_argument("--hidden", type=int, default=192)
    p.add_argument("--ffn", type=int, default=384)
    p.add_argument("--layers", type=int, default=4)
    p.add_argument("--heads", type=int, default=3)
    p.add_argument("--kv-heads", type=int, default=1)
    p.add_argument("--context", type=int, default=2048, help="positions the model promises")
    p.add_argument("--steps", type=int, default=2500)
    p.add_argument("--minutes", type=float, default=0, help="0: by steps alone")
    p.add_argument("--pretrain", type=float, default=0.2, help="share of the run that is language modelling")
    p.add_argument("--corpus-share", type=float, default=0.1, help="share of the corpus that pretraining draws on")
    p.add_argument("--text-tokens", type=int, default=1024, help="tokens a batch; two a step while pretraining")
    p.add_argument("--sentiment-tokens", type=int, default=1280, help="tokens a step in the mixture")
    p.add_argument("--chat-tokens", type=int, default=1280, help="tokens a step in the mixture")
    p.add_argument("--matrix-lr", type=float, default=0.02)
    p.add_argument("--other-lr", type=float, default=0.003)
    p.add_argument("--dropout", type=float, default=0.0)
    p.add_argument("--every", type=int, default=200, help="steps between evaluation, checkpoint and export")
    p.add_argument("--processes", type=int, default=2, choices=[1, 2], help="each takes half of a step's batches")
    p.add_argument("--threads", type=int, default=1, help="of each process")
    p.add_argument("--seed", type=int, default=1)
    return p.parse_args()


def rate(progress, step):
    """Factor of the learning rates: a short warm-up, flat to 40 % of the run, then linear to zero."""
    return min(1, (step + 1) / 50) * min(1, max(0.0, 1 - progress) / 0.6)


class Feed:
    """The three kinds of batches; counts what was taken, so that a resumed run goes on where it stopped."""

    def __init__(self, args, codec, taken):
        docs = codec.many(documents(args.data, args.seed, args.corpus_share))
        stream = torch.tensor([i for doc in docs for i in (*doc, codec.end_of_text)], dtype=torch.int32)
        sentiment = codec.examples([[text, LABELS[label]] for label, text in reviews(args.data)])
        chat = codec.examples(dialogues(args.data, os.path.join(HERE, "handwritten.jsonl"), args.seed))
        log(f"pretraining text {len(stream):,} tokens; sentiment {len(sentiment):,} examples, "
            f"{sum(len(i) for i, _ in sentiment):,} tokens; chat {len(chat):,} examples, "
            f"{sum(len(i) for i, _ in chat):,} tokens")
        self.taken, pad, seed = taken, codec.end_of_text, args.seed
        self.sources = {
            "text": text_batches(stream, args.text_tokens, args.context, taken["text"]),
            "sentiment": role_batches(sentiment, args.sentiment_tokens, pad, f"s{seed}", taken["sentiment"]),
            "chat": role_batches(chat, args.chat_tokens, pad, f"c{seed}", taken["chat"])}
        self.prefixes = {"text": torch.tensor([], dtype=torch.long),
                         "sentiment": torch.tensor(codec.prefix("sentiment")),
                         "chat": torch.tensor(codec.prefix("chat"))}

    def take(self, kind):
        self.taken[kind] += 1
        return self.prefixes[kind], *next(self.sources[kind])


def loss_of(model, prefix, ids, positions, targets):
    """Mean cross-entropy over the supervised positions; only those rows of logits are computed."""
    hidden = model(prefix, ids)
    return F.cross_entropy(model.logits(hidden[positions + len(prefix)]), targets)


def log(line):
    print(time.strftime("%H:%M:%S"), line, flush=True)


def report(model, codec, dev, args, tokenizer):
    model.eval()
    accuracy, table = confusion(model, codec, dev)
    log(f"dev accuracy {accuracy:.4f} {table} (rows 负面 正面, columns answered 负面 正面)")
    for prompt in PROMPTS[::2]:
        log(f"    {prompt} → {reply(model, codec, [prompt])}")
    export(model, tokenizer, args.export or os.path.join(args.out, "hf"))
    model.train()


def restore(saved, model, both):
    """Loads the checkpoint, if there is one; returns the state of the run."""
    if not os.path.exists(saved):
        return {"step": 0, "seconds": 0.0, "tokens": 0, "taken": {"text": 0, "sentiment": 0, "chat": 0}}
    found = torch.load(saved)
    model.load_state_dict(found["model"])
    for optimizer, values in zip(both, found["optimizers"]):
        optimizer.load_state_dict(values)
    return found["state"]


def exchange(model, scalars, world):
    """Sums gradients and `scalars` over the processes, in place and in one message; returns the scalars."""
    if world == 1:
        return scalars
    params = list(model.parameters())
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in params]
    flat = torch.cat([g.reshape(-1) for g in grads] + [torch.tensor(scalars)])
    distributed.all_reduce(flat)
    *parts, rest = flat.split([g.numel() for g in grads] + [len(scalars)])
    for p, part in zip(params, parts):
        p.grad = part.view_as(p)
    return rest.tolist()


def run(rank, args, codec, feed, model, both, state, tokenizer):
    """The training loop of one process. Every process draws the same batches and computes its own of each step."""
    world, dev, means, mark, spent = args.processes, read_dev(args.data), {}, (time.time(), state["tokens"]), 0.0
    if world > 1:
        distributed.init_process_group("gloo", init_method=f"file://{os.path.abspath(args.out)}/rendezvous",
                                       rank=rank, world_size=world)
    while True:
        began = time.time()
        progress = state["step"] / args.steps
        if args.minutes:
            progress = max(progress, state["seconds"] / 60 / args.minutes)
        if progress >= 1:
            break
        kinds = ["text", "text"] if progress < args.pretrain else ["sentiment", "chat"]
        losses = [0.0, 0.0]
        for i, kind in enumerate(kinds):
            batch = feed.take(kind)
            state["tokens"] += batch[1].numel()
            if i % world == rank:
                loss = loss_of(model, *batch)
                loss.backward()
                losses[i] = loss.item()
        *losses, seconds = exchange(model, [*losses, 0.0 if rank else spent], world)
        for kind, loss in zip(kinds, losses):
            means[kind] = 0.95 * means.get(kind, loss) + 0.05 * loss
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in both:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate(progress, state["step"])
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        state["step"] += 1
        state["seconds"] += seconds
        if rank == 0 and state["step"] % 25 == 0:
            speed = (state["tokens"] - mark[1]) / (time.time() - mark[0])
            mark = (time.time(), state["tokens"])
            values = " ".join(f"{k} {means[k]:.3f}" for k in dict.fromkeys(kinds))
            log(f"step {state['step']} progress {progress:.3f} {values} tokens {state['tokens']:,} {speed:.0f}/s")
        if rank == 0 and state["step"] % args.every == 0:
            saved = os.path.join(args.out, "checkpoint.pt")
            torch.save({"model": model.state_dict(), "optimizers": [o.state_dict() for o in both], "state": state},
                       saved + ".new")
            os.replace(saved + ".new", saved)
            report(model, codec, dev, args, tokenizer)
            mark = (time.time(), state["tokens"])
        spent = time.time() - began
    if rank == 0:
        log(f"done: {state['step']} steps, {state['tokens']:,} tokens, {state['seconds'] / 60:.1f} minutes")
        report(model, codec, dev, args, tokenizer)


def main():
    args = arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    tokenizer = os.path.join(args.out, "tokenizer")
    if not os.path.exists(tokenizer):
        subprocess.run([sys.executable, os.path.join(HERE, "tokenizer.py"), "--data", args.data, "--out", tokenizer,
                        "--vocab", str(args.vocab)], check=True)
    codec = Codec(os.path.join(tokenizer, "tokenizer.json"))
    shape = Shape(-(-args.vocab // 64) * 64, args.hidden, args.ffn, args.layers, args.heads, args.kv_heads,
                  args.context)
    model = Qwen2(shape, args.dropout).train()
    both = optimizers(model, args.matrix_lr, args.other_lr)
    state = restore(os.path.join(args.out, "checkpoint.pt"), model, both)
    feed = Feed(args, codec, state["taken"])
    log(f"{shape}: {sum(p.numel() for p in model.parameters()):,} parameters; from step {state['step']}")
    common = (args, codec, feed, model, both, state, tokenizer)
    if args.processes == 1:
        return run(0, *common)
    if os.path.exists(rendezvous := os.path.join(args.out, "rendezvous")):
        os.remove(rendezvous)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=run, args=(rank, *common), daemon=True) for rank in range(args.processes)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    sys.exit(max(child.exitcode for child in children))


if __name__ == "__main__":
    main()
