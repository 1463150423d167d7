#!/bin/bash
# Runs one fuzz target: run.sh BUILD TARGET [libFuzzer's flags]. It begins with the inputs of test/fuzz/corpus/TARGET and,
# unless so many -runs are asked for, which are to be the same each time, with those that earlier runs have found
# (BUILD/corpus/TARGET). An input that fails is left in BUILD.
set -euo pipefail
build=$1 target=$2
shift 2
seeds=$(dirname "$0")/corpus/$target
found=$build/corpus/$target
log=$build/$target.log
if [[ "$*" == *-runs=* ]]; then
  found=$build/corpus/$target.fresh
  rm -rf "$found"
fi
mkdir -p "$found"
case $target in # the longest input: short ones are tried faster
  ws) max=4200 ;; # one that is too long among them
  update) max=512 ;;
  answer | frame | position | time_text) max=128 ;;
  token) max=1024 ;;
  *) max=256 ;;
esac
# Without a stack for each allocation, and with little memory held back, a run is twice as fast.
export ASAN_OPTIONS=malloc_context_size=0:quarantine_size_mb=1:${ASAN_OPTIONS:-}
if ! "$build/bin/fuzz_$target" -artifact_prefix="$build/$target-" -print_final_stats=1 -max_len=$max "$@" "$found" "$seeds" 2>"$log"; then
  grep -v '^#[0-9]\|NEW_FUNC' "$log" >&2
  exit 1
fi
awk -v target="$target" '
  /^stat::number_of_executed_units/ { runs = $2 }
  /^stat::average_exec_per_sec/ { rate = $2 }
  /cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
  END {
    printf "fuzz_%s: %d runs%s, %d edges covered, nothing found\n", target, runs, rate ? ", " rate " per second" : "", cov
  }' "$log"
