#!/bin/sh
# Trains the starter model from the data folder and checks the export:  training/train.sh DATA OUT [option of train.py…]
# Needs Python 3.10 or newer with training/requirements.txt. Stopped and started again, it resumes.
set -eu
here=$(dirname "$0")
data=$1 out=$2
shift 2
mkdir -p "$out"
python3 "$here/train.py" --data "$data" --out "$out" "$@"
python3 "$here/verify.py" --model "$out/hf"
python3 "$here/evaluate.py" --data "$data" --model "$out/hf"
