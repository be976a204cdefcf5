# Shared by up.sh and test.sh, both of which start from a clone that was never built. Sourced with the clone as
# working directory.

say() { printf 'wgmesh: %s\n' "$*" >&2; }

# step TEXT COMMAND…: one line of progress; the command's output is shown only when it fails.
step() {
  local text=$1 log status=0
  shift
  say "$text"
  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null || status=$?
  [ "$status" = 0 ] || { cat "$log" >&2; say "failed (exit $status): $*"; }
  rm -f "$log"
  return "$status"
}

# stale OUTPUT SOURCE…: true when the output is missing or any source file is newer.
stale() {
  local output=$1
  shift
  [ ! -e "$output" ] || [ -n "$(find "$@" -type f -newer "$output" -print -quit)" ]
}

# The newest addon built here, or nothing.
addon_file() { find native -maxdepth 1 -name 'wgmesh.*.node' -printf '%T@ %p\n' | sort -rn | head -n 1 | cut -d ' ' -f 2-; }

install_dependencies() {
  ! stale node_modules/.package-lock.json package.json package-lock.json native/package.json ||
    step "installing npm packages" npm ci --no-audit --no-fund
}

build_addon() {
  ! stale "$(addon_file)" Cargo.toml Cargo.lock native/Cargo.toml native/build.rs native/src ||
    step "building the addon (about a minute the first time)" npm run --silent build:native
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
