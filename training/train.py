"""Trains one stage:  python train.py pretrain|roles|refine --data FILE.npz --out FOLDER [--init FOLDER] [--minutes 25]

`pretrain` is language modelling on running text; `roles` is one mixture of that and of the roles' own prompts, from the
weights of --init; `refine` is the roles' prompts alone, at lower rates. FOLDER gets checkpoint.pt (a stopped run resumes from
it) and the weights in files of at most 15 MB. The schedule is --minutes, --tokens or what of both ends first.
"""
import argparse
import os
import sys
import time

import torch
from torch import distributed, multiprocessing
from torch.nn import functional as F

from batches import load_stage, role_batches, text_batches
from model import Qwen2, Shape
from optimizer import optimizers
from weights import load_weights, save_weights

# Shares of a stage's tokens by kind, at its start and at its end; between, they change linearly.
MIXTURES = {
    "pretrain": {"text": (1, 1)},
    "roles": {"text": (0.40, 0.04), "sentiment": (0.34, 0.54), "everyday": (0.06, 0.09), "chat": (0.12, 0.18),
              "elsewhere": (0.03, 0.06), "triage": (0.01, 0.02), "offensive": (0.04, 0.07)},
    "refine": {"sentiment": (0.57, 0.57), "everyday": (0.11, 0.11), "chat": (0.17, 0.17), "elsewhere": (0.08, 0.08),
               "triage": (0.02, 0.02), "offensive": (0.05, 0.05)},
}


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("stage", choices=list(MIXTURES))
    p.add_argument("--data", required=True, help="the stage's .npz")
    p.add_argument("--out", required=True)
    p.add_argument("--init", help="folder of weights to begin with; its shape holds")
    p.add_argument("--vocab", type=int, default=6000)
    p.add_argument("--hidden", type=int, default=256)
    p.add_argument("--ffn", type=int, default=640)
    p.add_argument("--layers", type=int, default=5)
    p.add_argument("--heads", type=int, default=4)
    p.add_argument("--kv-heads", type=int, default=1)
    p.add_argument("--context", type=int, default=2048, help="positions the model promises")
    p.add_argument("--tokens", type=float, default=0, help="length of the schedule; 0: by time alone")
    p.add_argument("--minutes", type=float, default=0, help="0: by tokens alone")
    p.add_argument("--batch", type=int, default=2048, help="tokens of one batch, all of one kind")
    p.add_argument("--batches", type=int, default=4, help="batches a step")
    p.add_argument("--matrix-lr", type=float, default=0.02)
    p.add_argument("--other-lr", type=float, default=0.003)
    p.add_argument("--decay", type=float, default=0.7, help="share of the run in which the rates fall")
    p.add_argument("--last", type=float, default=0.0, help="the rates' factor at the end")
    p.add_argument("--dropout", type=float, default=0.0)
    p.add_argument("--every", type=float, default=5, help="minutes between checkpoints")
    p.add_argument("--device", default="cpu", help="cpu, or cuda with --processes 1")
    p.add_argument("--bf16", action="store_true", help="products in BF16 on a CPU too; faster where it has them")
    p.add_argument("--processes", type=int, default=2, help="each takes its part of a step's batches")
    p.add_argument("--threads", type=int, default=1, help="of each process")
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()
    if not args.minutes and not args.tokens:
        p.error("how long? give --minutes, --tokens or both")
    args.tokens = args.tokens or float("inf")
    return args


class Feed:
    """A stage's batches in a fixed order; counts what was taken, so that a resumed run goes on where it stopped."""

    def __init__(self, args, state):
        self.kinds = load_stage(args.data)
        self.mixture, self.device = MIXTURES[args.stage], torch.device(args.device)
        self.taken, self.owed = state["taken"], state["owed"]
        for name in self.mixture:
            self.taken.setdefault(name, 0)
            self.owed.setdefault(name, 0.0)
        if missing := [name for name in self.mixture if name not in self.kinds]:
            sys.exit(f"{args.data} has no {', '.join(missing)}: make it anew with prepare.py")
        self.sources = {}
        for name in self.mixture:
            kind = self.kinds[name]
            log(f"{name}: {len(kind.lengths):,} examples, {len(kind.ids):,} tokens; {self.taken[name]} batches taken")
            self.sources[name] = (text_batches(kind, args.batch, args.context, self.taken[name]) if name == "text" else
                                  role_batches(kind, args.batch, 0, f"{name}{args.seed}", self.taken[name]))

    def take(self, progress):
        """(kind, what `loss_of` takes): of the kind that is furthest behind its share."""
        for name, (first, last) in self.mixture.items():
            self.owed[name] += first + (last - first) * progress
        name = max(self.owed, key=self.owed.get)
        self.owed[name] -= 1
        self.taken[name] += 1
        return name, (self.kinds[name].prefix, *next(self.sources[name]))


def rate(args, progress, step):
    """Factor of the learning rates: a short warm-up, flat, then linear to `--last`."""
    fall = min(1, max(0.0, 1 - progress) / args.decay)
    return min(1, (step + 1) / 50) * (args.last + (1 - args.last) * fall)


def loss_of(model, prefix, ids, positions, targets, others, shares):
    """Mean cross-entropy over the supervised positions; the last layer and the logits are computed for those alone."""
    logs = F.log_softmax(model.logits(model(prefix, ids, positions + len(prefix))).float(), dim=1)
    right, wrong = (logs.gather(1, t[:, None])[:, 0] for t in (targets, others))
    return -(shares * right + (1 - shares) * wrong).mean()


def log(line):
    print(time.strftime("%H:%M:%S"), line, flush=True)


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


def save(args, model, both, state, done):
    saved = os.path.join(args.out, "checkpoint.pt")
    torch.save({"model": model.state_dict(), "optimizers": [o.state_dict() for o in both], "state": state},
               saved + ".new")
    os.replace(saved + ".new", saved)
    save_weights(model, args.out)
    log(f"{'done' if done else 'saved'}: {state['step']} steps, {state['tokens']:,} tokens, "
        f"{state['seconds'] / 60:.1f} minutes; batches {state['taken']}")


def run(rank, args, feed, model, both, state):
    """The training loop of one process. Every process draws the same batches and computes its own of each step."""
    world, means, mark, spent, saved = args.processes, {}, (time.time(), state["tokens"]), 0.0, state["seconds"]
    if world > 1:
        distributed.init_process_group("gloo", init_method=f"file://{os.path.abspath(args.out)}/rendezvous",
                                       rank=rank, world_size=world)
    count = max(args.batches, world)
    while True:
        began = time.time()
        progress = state["tokens"] / args.tokens
        if args.minutes:
            progress = max(progress, state["seconds"] / 60 / args.minutes)
        if progress >= 1:
            break
        losses, names = [0.0] * count, []
        for i in range(count):
            name, batch = feed.take(progress)
            names.append(name)
            state["tokens"] += batch[1].numel()
            if i % world == rank:
                batch = [part.to(feed.device) for part in batch]
                with torch.autocast(feed.device.type, torch.bfloat16, enabled=args.bf16 or feed.device.type == "cuda"):
                    loss = loss_of(model, *batch) / count
                loss.backward()
                losses[i] = loss.item() * count
        *losses, seconds = exchange(model, [*losses, 0.0 if rank else spent], world)
        for name, loss in zip(names, losses):
            means[name] = 0.98 * means.get(name, loss) + 0.02 * loss
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in both:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate(args, progress, state["step"])
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        state["step"] += 1
        state["seconds"] += seconds
        if rank == 0 and state["step"] % 50 == 0:
            speed = (state["tokens"] - mark[1]) / (time.time() - mark[0])
            mark = (time.time(), state["tokens"])
            values = " ".join(f"{name} {mean:.3f}" for name, mean in means.items())
            log(f"step {state['step']} progress {progress:.3f} {values} tokens {state['tokens']:,} {speed:.0f}/s")
        if rank == 0 and state["seconds"] - saved > 60 * args.every:
            saved = state["seconds"]
            save(args, model, both, state, done=False)
        spent = time.time() - began
    if rank == 0:
        save(args, model, both, state, done=True)


def main():
    args = arguments()
    os.makedirs(args.out, exist_ok=True)
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    if args.init:
        model = load_weights(args.init, args.dropout)
    else:
        shape = Shape(-(-args.vocab // 64) * 64, args.hidden, args.ffn, args.layers, args.heads, args.kv_heads,
                      args.context)
        model = Qwen2(shape, args.dropout)
    model = model.train().to(args.device)
    args.context = model.shape.max_position_embeddings
    both = optimizers(model, args.matrix_lr, args.other_lr)
    state = {"step": 0, "seconds": 0.0, "tokens": 0, "taken": {}, "owed": {}}
    if os.path.exists(found := os.path.join(args.out, "checkpoint.pt")):
        found = torch.load(found, map_location=args.device)
        model.load_state_dict(found["model"])
        for optimizer, values in zip(both, found["optimizers"]):
            optimizer.load_state_dict(values)
        state = found["state"]
    feed = Feed(args, state)
    log(f"{model.shape}: {sum(p.numel() for p in model.parameters()):,} parameters; from step {state['step']}")
    if args.processes == 1:
        return run(0, args, feed, model, both, state)
    if os.path.exists(rendezvous := os.path.join(args.out, "rendezvous")):
        os.remove(rendezvous)
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=run, args=(rank, args, feed, model, both, state), daemon=True)
                for rank in range(args.processes)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    sys.exit(max(child.exitcode for child in children))


if __name__ == "__main__":
    main()
