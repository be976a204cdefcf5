#!/usr/bin/env bash
# Fuzzing with cargo-fuzz, on one core, at the lowest priority; docs/fuzzing.md tells of the targets.
#
#   fuzz.sh TARGET SECONDS    looks for inputs that break a promise; new ones that reach further go to native/fuzz/found
#   fuzz.sh all SECONDS       each target in turn, so many seconds each
#   fuzz.sh minimise TARGET   makes the committed corpus the smallest set that reaches what it and the found ones reach
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../native/fuzz"

# Bytes of the longest input that is tried: what a target can make use of, and no more.
declare -A max_len=([changes]=1024 [frames]=4096 [identity]=512 [netlink]=2048 [packets]=1024 [uapi]=2048)
# The only unsafe code of the engine is what erases keys, and the sanitizer costs most of the speed.
declare -A sanitizer=([packets]=none)
targets=$(printf '%s\n' "${!max_len[@]}" | sort)

usage() {
  sed -n '2,6s/^# \{0,1\}//p' "../../scripts/fuzz.sh"
  echo "targets: ${targets//$'\n'/ }"
  exit 2
} >&2

# The sanitizer needs a compiler that takes unstable options: nightly, or the stable one when told to.
cargo_fuzz() {
  cargo fuzz --version >/dev/null 2>&1 || { echo "cargo-fuzz is missing: cargo install cargo-fuzz" >&2; exit 1; }
  # What is fuzzed is what ships: no crate may leave a check out because it sees cfg(fuzzing).
  local command=$1
  shift
  if rustup toolchain list 2>/dev/null | grep -q '^nightly'; then
    nice -n 19 cargo +nightly fuzz "$command" --no-cfg-fuzzing "$@"
  else
    RUSTC_BOOTSTRAP=1 nice -n 19 cargo fuzz "$command" --no-cfg-fuzzing "$@"
  fi
}

# fuzz TARGET SECONDS
fuzz() {
  local target=$1 seconds=$2
  mkdir -p "found/$target" "regressions/$target"
  local options=(-max_total_time="$seconds" -max_len="${max_len[$target]}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1)
  [ ! -e "$target.dict" ] || options+=(-dict="$target.dict")
  cargo_fuzz run -s "${sanitizer[$target]:-address}" "$target" "found/$target" "corpus/$target" "regressions/$target" -- "${options[@]}"
}

# minimise TARGET
minimise() {
  local target=$1
  mkdir -p "found/$target" "corpus/$target"
  # One name: what a killed run left is gone with the next.
  fresh=found/$target.fresh
  trap 'rm -rf "$fresh"' EXIT
  rm -rf "$fresh"
  mkdir "$fresh"
  # By the edges that are reached, not by how often: about a quarter of the inputs, and what fuzzing starts from is enough.
  cargo_fuzz run -s "${sanitizer[$target]:-address}" "$target" "$fresh" "corpus/$target" "found/$target" -- \
    -set_cover_merge=1 -use_counters=0 -max_len="${max_len[$target]}"
  rm -rf "corpus/$target" "found/$target"
  mkdir "corpus/$target"
  for input in "$fresh"/*; do
    mv "$input" "corpus/$target/$(basename "$input" | cut -c 1-16).bin"
  done
  echo "corpus/$target: $(find "corpus/$target" -type f | wc -l) inputs, $(cat "corpus/$target"/* | wc -c) bytes"
}

[ $# = 2 ] || usage
case $1 in
  all) for target in $targets; do fuzz "$target" "$2"; done ;;
  minimise) [ -n "${max_len[$2]:-}" ] || usage; minimise "$2" ;;
  *) [ -n "${max_len[$1]:-}" ] || usage; fuzz "$1" "$2" ;;
esac
