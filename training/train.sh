#!/bin/sh
# Trains the starter model from the data folder and checks the export:
#   training/train.sh DATA OUT [minutes of pretraining] [minutes of roles] [minutes of refine] [option of train.py…]
# Minutes are those of a machine with BF16 products and --bf16; double them without.
# Needs Python 3.10 or newer with training/requirements.txt. Stopped and started again, it resumes.
set -eu
here=$(dirname "$0")
data=$1 out=$2 pretrain=${3:-43} roles=${4:-33} refine=${5:-40}
shift 2
[ $# -gt 0 ] && shift
[ $# -gt 0 ] && shift
[ $# -gt 0 ] && shift
mkdir -p "$out"
# glibc would give each large tensor back to the kernel at once; to fault its pages in again costs a third of the time.
export MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=2000000000 MALLOC_TOP_PAD_=268435456
[ -f "$out/roles.npz" ] || python3 "$here/prepare.py" --data "$data" --out "$out"
python3 "$here/train.py" pretrain --data "$out/pretrain.npz" --out "$out/pretrain" --minutes "$pretrain" --last 1 "$@"
python3 "$here/train.py" roles --data "$out/roles.npz" --init "$out/pretrain" --out "$out/roles" --minutes "$roles" \
    --last 0.5 --decay 1 --dropout 0.05 "$@"
# Two runs side by side, which differ by their seed: a process each needs no exchange of gradients, and the mean of their
# weights keeps what they agree on.
runs=
for seed in 3 4; do
    python3 "$here/train.py" refine --data "$out/roles.npz" --init "$out/roles" --out "$out/refine-$seed" --minutes "$refine" \
        --batch 1536 --matrix-lr 0.01 --other-lr 0.0015 --decay 1 --dropout 0.08 --processes 1 --seed "$seed" "$@" &
    runs="$runs $!"
done
for run in $runs; do wait "$run"; done
python3 "$here/average.py" "$out/refine-3" "$out/refine-4" --out "$out/shipped"
python3 "$here/export.py" --out "$out"
python3 "$here/verify.py" --out "$out"
python3 "$here/evaluate.py" --data "$data" --out "$out"
