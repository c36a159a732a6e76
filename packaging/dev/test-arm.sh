#!/usr/bin/env bash
# Compares the SIMD kernels with the portable ones bit for bit: those of this processor, and on another one than 64-bit
# ARM the NEON kernels too, cross-compiled and run in qemu as a Cortex-A72, which has Armv8.0 and nothing later.
set -euo pipefail
. "$(dirname "$0")/common.sh"

cc=${CC:-clang}
command -v "$cc" >/dev/null || die "No clang on PATH: it comes with Swift 6.3 (https://www.swift.org/install/linux/); CC=<path> names another."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A program of all kernels with those of generic.c compiled with extra flags. As the package compiles them, but strictly.
compile() { # program, flags of generic.c, compiler...
    local program=$1 generic=$2
    shift 2
    local sources=(Sources/CKernels/*.c)
    local flags=(-std=gnu11 -O3 -ffp-contract=off -Wall -Wextra -Werror -ISources/CKernels/include)
    # shellcheck disable=SC2086  # none or one flag
    "$@" "${flags[@]}" $generic -c Sources/CKernels/generic.c -o "$program.o"
    "$@" "${flags[@]}" Tests/Kernels/compare_kernels.c "${sources[@]/*generic.c/$program.o}" -lpthread -lm -o "$program"
}

# Runs a comparison, shows its last line and keeps it in $report; a processor without SIMD kernels only skips.
compare() {
    local status=0
    report=$("$@") || status=$?
    say "$report"
    [ $status -eq 0 ] || [ $status -eq 77 ] || die "The kernels differ: see above."
}

# Instructions later than Armv8.0: dot products, matrix products, bfloat16, arithmetic on halves.
later_instructions() { # disassembly
    local products='\t([su]dot|usdot|sudot|[su]mmla|usmmla|bf(dot|mmla|mlal[bt]|cvt\w*)|fml[as]l2?)\t'
    local halves='\t(?!fcvt(n2?|l2?)?\t)(f\w+|[su]cvtf)\t.*(\.[48]h|\bh[0-9])'
    grep -P "$products|$halves" "$1"
}

case $(uname -m) in
aarch64)
    compile "$work/native" "" "$cc"
    compare "$work/native" all
    exit
    ;;
x86_64)
    compile "$work/native" "" "$cc"
    compare "$work/native" integers
    if grep -qw fma /proc/cpuinfo; then
        compile "$work/fused" -mfma "$cc"
        compare "$work/fused" all
    fi
    native_report=$report
    ;;
*) native_report="" ;;
esac

if ! packaging/dev/deps.sh arm; then
    say "Skipped: the NEON kernels are not tested without the packages above."
    exit
fi
compile "$work/neon" "" "$cc" --target=aarch64-linux-gnu -march=armv8-a
aarch64-linux-gnu-objdump -d --no-show-raw-insn "$work/neon" >"$work/neon.asm"
if later_instructions "$work/neon.asm"; then die "The program has the instructions above, which the Raspberry Pi 4 lacks."; fi
compare qemu-aarch64 -cpu cortex-a72 -L /usr/aarch64-linux-gnu "$work/neon" all
if [[ $native_report == *" all: "* ]] && [ "${native_report##* }" != "${report##* }" ]; then
    die "The sets of x86-64 and NEON give different results: their hashes differ."
fi
