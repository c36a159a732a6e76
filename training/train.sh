#!/bin/sh
# Trains the starter model from the data folder and checks the export:
#   [FROM=MODEL.gguf] training/train.sh DATA OUT [minutes of pretraining] [minutes of roles] [minutes of polish] \
#       [tokens of each run of refine] [option of train.py…]
# With FROM it goes on from a converted model of the same vocabulary: of the stages, only the last is run.
# Needs Python 3.10 or newer with training/requirements.txt. Stopped and started again, it resumes.
set -eu
here=$(dirname "$0")
data=$1 out=$2 pretrain=${3:-80} roles=${4:-66} polish=${5:-16} refine=${6:-4200000}
shift 2
[ $# -gt 0 ] && shift
[ $# -gt 0 ] && shift
[ $# -gt 0 ] && shift
[ $# -gt 0 ] && shift
mkdir -p "$out"
# glibc would give each large tensor back to the kernel at once; to fault its pages in again costs a third of the time.
export MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=2000000000 MALLOC_TOP_PAD_=268435456
[ -f "$out/refine.npz" ] || python3 "$here/prepare.py" --data "$data" --out "$out" ${FROM:+--only refine}
if [ -n "${FROM:-}" ]; then
    python3 "$here/from_gguf.py" "$FROM" --out "$out"
else
    python3 "$here/train.py" pretrain --data "$out/pretrain.npz" --out "$out/pretrain" --last 1 --tokens 1e12 \
        --minutes "$pretrain" "$@"
    python3 "$here/train.py" roles --data "$out/roles.npz" --init "$out/pretrain" --out "$out/roles" --tokens 1e12 \
        --minutes "$roles" --batch 1536 --batches 4 --dropout 0.05 "$@"
    python3 "$here/train.py" polish --data "$out/roles.npz" --init "$out/roles" --out "$out/polish" --tokens 1e12 \
        --minutes "$polish" --batch 1536 --batches 4 --dropout 0.05 --matrix-lr 0.008 --other-lr 0.0012 --decay 1 --seed 2 "$@"
    python3 "$here/average.py" "$out/roles" "$out/polish" --out "$out/final"
fi
# Two runs side by side, which differ by their seed: a process each needs no exchange of gradients, and the mean of their
# weights keeps what they agree on.
runs=
for seed in 3 4; do
    python3 "$here/train.py" refine --data "$out/refine.npz" --init "$out/final" --out "$out/refine-$seed" --tokens "$refine" \
        --batch 1536 --batches 4 --dropout 0.08 --matrix-lr 0.012 --other-lr 0.0018 --decay 0.9 --last 0.05 \
        --processes 1 --seed "$seed" "$@" &
    runs="$runs $!"
done
for run in $runs; do wait "$run"; done
python3 "$here/average.py" "$out/final" "$out/refine-3" "$out/refine-4" --out "$out/shipped"
python3 "$here/export.py" --out "$out"
python3 "$here/verify.py" --out "$out"
python3 "$here/evaluate.py" --data "$data" --out "$out"
