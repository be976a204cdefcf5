#!/usr/bin/env bash
# npm test: installs what the tests need, builds, runs every suite whatever the others did, and ends with one line
# "N passed, N failed". Fails when a test failed, or when a name of __test__/names.txt did not run.
# Of a suite that fails the end of its output is shown, of one that passes nothing; WGMESH_TEST_VERBOSE=1 shows all of it as it
# comes. scripts/test.sh --write-names makes the list of names from a run in which all passed.
# Functions are called by their names, through step and suite.
# shellcheck disable=SC2317
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
. scripts/lib.sh
exec </dev/null
export CI=true NO_COLOR=1 CARGO_TERM_COLOR=never
export PATH=$PATH:/usr/sbin:/sbin

results=
beside=
trap '[ -z "$beside" ] || kill -- "-$beside" 2>/dev/null; [ -z "$results" ] || rm -rf "$results"' EXIT
trap 'exit 130' INT TERM
results=$(mktemp -d) || exit

install_debian_packages() {
  local missing
  missing=$(while read -r package; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || echo "$package"
  done <scripts/apt-packages.txt)
  [ -n "$missing" ] || return 0
  export DEBIAN_FRONTEND=noninteractive
  step "updating the list of Debian packages" apt-get -qq update || true
  # shellcheck disable=SC2046,SC2086,SC2116 # one word a package
  step "installing $(echo $missing)" apt-get -qq -y --no-install-recommends install $missing
}

# What a person wants to see of a suite that failed: vitest gathers its failures at the end, the others stop at theirs.
failures() {
  if grep -q 'Failed \(Tests\|Suites\)' "$1"; then
    sed -n '/Failed \(Tests\|Suites\)/,$p' "$1" | head -n 150
  else
    tail -n 60 "$1"
  fi
}

# suite NAME COMMAND…: keeps the output, the exit status and the time for the summary.
suite() {
  local name=$1 status=0 start=$SECONDS log=$results/$1.log
  shift
  if [ -n "${WGMESH_TEST_VERBOSE:-}" ]; then
    printf '\n== %s\n' "$name"
    "$@" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
  else
    "$@" >"$log" 2>&1 || status=$?
    [ "$status" = 0 ] || failures "$log"
  fi
  printf '%s %s\n' "$status" $((SECONDS - start)) >"$results/$name.status"
  printf '== %s: %s after %s s\n' "$name" "$([ "$status" = 0 ] && echo passed || echo "failed (exit $status)")" $((SECONDS - start))
}

# vitest_project NAME [PROJECTS [ARGUMENT…]]: a pattern of projects that make up the suite, unless it is the one of that name.
vitest_project() {
  npx --no-install vitest run --project "${2:-$1}" --reporter=verbose --reporter=json \
    --outputFile.json="$results/$1.json" "${@:3}"
}

# Network namespaces and TUN devices cannot be had without these; saying so beats a hundred odd failures.
needs_network_rights() {
  local lacks=()
  [ "$(id -u)" = 0 ] || lacks+=("root")
  has_net_admin || lacks+=("CAP_NET_ADMIN")
  [ -c /dev/net/tun ] || lacks+=("/dev/net/tun (modprobe tun, or give it to the container)")
  [ ${#lacks[@]} = 0 ] || { printf 'cannot run: this suite needs %s\n' "${lacks[@]}"; return 1; }
}

mesh_project() { needs_network_rights && vitest_project mesh; }
wireguard_project() { needs_network_rights && vitest_project wireguard 'wireguard*'; }
# The machines of the VM are slow and wait for themselves: the mesh's own tests in one of them, the rest in others.
vm_project() {
  needs_network_rights && vitest_project vm vm --exclude __test__/vm/mesh.test.ts
}
vm_mesh_project() { needs_network_rights && vitest_project vm-mesh vm __test__/vm/mesh.test.ts; }

# The addon's macOS half is type-checked here, for want of a Mac.
darwin_target=aarch64-apple-darwin

install_darwin_target() {
  rustup target list --installed 2>/dev/null | grep -qx "$darwin_target" ||
    step "installing the Rust target $darwin_target" rustup target add "$darwin_target"
}

prepare() {
  install_debian_packages && install_dependencies && build_addon && build_test_addon && build_dist &&
    install_darwin_target
}

# What wants the processor and no clock. It yields to everybody else, so that it fits into the time the other suites spend waiting.
batch() {
  renice -n 19 "$BASHPID" >/dev/null
  suite clippy cargo clippy --quiet --workspace --all-targets -- -D warnings
  suite darwin cargo clippy --quiet --workspace --target "$darwin_target" -- -D warnings
  suite cargo cargo test --workspace
  suite simulator vitest_project simulator
}

# Beside the suites that have deadlines. The emulated machine has long ones, but must not starve.
beside() {
  (batch)
  renice -n 5 "$BASHPID" >/dev/null
  suite vm-mesh vm_mesh_project
}

# A function is read as a whole: a script that is edited while it runs would go on at the wrong place.
main() {
  WGMESH_TEST_VERBOSE=1 suite prepare prepare
  suite biome npx --no-install biome ci --colors=off .
  suite oxlint npx --no-install oxlint --type-aware --deny-warnings src __test__ bench
  suite tsc npx --no-install tsc --noEmit
  suite rustfmt cargo fmt --check
  # Its own process group, so that one signal ends all of it.
  set -m
  beside &
  beside=$!
  set +m
  suite unit vitest_project unit
  suite mesh mesh_project
  suite wireguard wireguard_project
  suite vm vm_project
  wait "$beside"
  beside=

  node scripts/summary.mjs "$results" "$@"
}

main "$@"
exit
