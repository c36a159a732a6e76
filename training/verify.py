"""Checks an exported folder against transformers: same ids, and logits equal within 1e-4 (1e-3 at 1,500 positions,
where transformers computes the rotary angles in F32 and this module in F64).

    python verify.py --out OUT [--stage shipped]
"""
import argparse
import os

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import corpus
from batches import Codec
from weights import load_weights


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--out", required=True)
    p.add_argument("--stage", default="shipped")
    args = p.parse_args()
    hf = os.path.join(args.out, "hf")
    model, codec = load_weights(os.path.join(args.out, args.stage)).eval(), Codec(os.path.join(hf, "tokenizer.json"))
    reference = AutoModelForCausalLM.from_pretrained(hf, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(hf)
    prefix = codec.prefix(corpus.role("chat")["system"])
    prompt = codec.prompt(["你好，今天过得怎么样？", "很好呀！", "1+1=2 🙂\n<|im_end|>"])
    text = "酒店环境很好，服务也不错！ It's OK.\n\n  再见"
    assert tokenizer(text)["input_ids"] == codec.text(text), "tokenizer files disagree"
    long = (prompt * 80)[:1500]
    with torch.no_grad():
        for ids, limit in ((prompt, 1e-4), (long, 1e-3)):
            ours = model.logits(model(torch.tensor(prefix), torch.tensor([ids])))
            theirs = reference(torch.tensor([prefix + ids])).logits[0]
            worst = (ours - theirs).abs().max().item()
            print(f"{type(reference).__name__}, {len(prefix + ids)} positions: logits differ by at most {worst:.2g}")
            assert worst < limit


if __name__ == "__main__":
    main()
