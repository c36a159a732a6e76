"""Generates with transformers in F32 at the shape of Qwen1.5-0.5B: a line {"ids", "tokens"} in, a line {"seconds"} out."""

import json
import sys
import time

import torch
import transformers

threads = int(sys.argv[1])
torch.set_num_threads(threads)
torch.manual_seed(1)
config = transformers.Qwen2Config(
    vocab_size=151936, hidden_size=1024, intermediate_size=2816, num_hidden_layers=24, num_attention_heads=16,
    num_key_value_heads=16, max_position_embeddings=32768, tie_word_embeddings=True, rope_theta=1e6,
)  # fmt: skip
model = transformers.Qwen2ForCausalLM(config).float().eval()
print(json.dumps({"torch": torch.__version__, "transformers": transformers.__version__}), flush=True)

for line in sys.stdin:
    job = json.loads(line)
    ids = torch.tensor([job["ids"]])
    start = time.monotonic()
    with torch.inference_mode():
        model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=job["tokens"], min_new_tokens=job["tokens"],
            do_sample=False, pad_token_id=0, eos_token_id=[151645],
        )  # fmt: skip
    print(json.dumps({"seconds": time.monotonic() - start}), flush=True)
