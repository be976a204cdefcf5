# shellcheck shell=bash
# Shared by up.sh and test.sh, both of which start from a clone that was never built. Sourced with the clone as
# working directory.

say() { printf 'wgmesh: %s\n' "$*" >&2; }

# step TEXT COMMAND…: one line of progress; the command's output is shown only when it fails.
step() {
  local text=$1 log status=0
  shift
  say "$text"
  log=$(mktemp)
  exec 8<>"$log"
  # It has no name from here on, so nothing stays of it however this ends.
  rm -f "$log"
  "$@" >&8 2>&1 </dev/null || status=$?
  [ "$status" = 0 ] || { cat /dev/fd/8 >&2; say "failed (exit $status): $*"; }
  exec 8>&-
  return "$status"
}

# stale OUTPUT SOURCE…: true when the output is missing or any source file is newer.
stale() {
  local output=$1
  shift
  [ ! -e "$output" ] || [ -n "$(find "$@" -type f -newer "$output" -print -quit)" ]
}

# The newest addon of that name built here, or nothing.
addon_file() {
  find native -maxdepth 1 -name "$1.*.node" -printf '%T@ %p\n' | sort -rn | head -n 1 | cut -d ' ' -f 2-
}

addon_sources='Cargo.toml Cargo.lock native/Cargo.toml native/build.rs native/src'

install_dependencies() {
  ! stale node_modules/.package-lock.json package.json package-lock.json native/package.json ||
    step "installing npm packages" npm ci --no-audit --no-fund
}

build_addon() {
  # shellcheck disable=SC2086 # a list of words
  ! stale "$(addon_file wgmesh)" $addon_sources ||
    step "building the addon (about a minute the first time)" npm run --silent build:native
}

# The one that shows derived keys to the vector tests.
build_test_addon() {
  # shellcheck disable=SC2086
  ! stale "$(addon_file wgmesh-test)" $addon_sources ||
    step "building the addon for tests" npm run --silent build:native -- --test
}

build_dist() {
  ! stale dist/wgmeshd.js package.json tsconfig.json src scripts/build-ts.mjs ||
    step "building dist/" npm run --silent build:ts
}

# True when the process may configure interfaces: CAP_NET_ADMIN is bit 12 of the effective set.
has_net_admin() {
  local effective
  effective=$(awk '$1 == "CapEff:" { print $2 }' /proc/self/status)
  (((16#${effective:-0} >> 12) & 1))
}
