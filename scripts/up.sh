#!/usr/bin/env bash
# npm run up -- [flags of wgmeshd]: from a fresh clone to a running node in the foreground. Installs and builds what is
# missing or older than its sources; makes a secret when none is given, since wgmeshd itself only asks for one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

iface='' state_dir=/var/lib/wgmesh secret_given=${WGMESH_SECRET:-${WGMESH_SECRET_FILE:-}} only_informs=''
previous=''
for argument in "$@"; do
  case $previous in
    --iface | --interface) iface=$argument ;;
    --state-dir) state_dir=$argument ;;
  esac
  case $argument in
    --iface=* | --interface=*) iface=${argument#*=} ;;
    --state-dir=*) state_dir=${argument#*=} ;;
    --secret | --secret=* | --secret-file | --secret-file=*) secret_given=yes ;;
    -h | --help | -v | -V | --version) only_informs=yes ;;
  esac
  previous=$argument
done
if [ -z "$iface" ]; then
  iface=wg0
  set -- --iface wg0 "$@"
fi

if [ -z "$only_informs" ] && ! has_net_admin; then
  say "a node makes a network interface, which needs root (CAP_NET_ADMIN): sudo npm run up -- $*"
  exit 7
fi

install_dependencies
build_addon
build_dist

# Others read the printed lines, never the secret: it goes from wgmesh init straight into a file of mode 0600.
make_secret() {
  local file=$1
  # shellcheck disable=SC2174 # only the deepest is ours
  mkdir -p -m 0700 "$(dirname "$file")"
  fresh=''
  trap '[ -z "$fresh" ] || rm -f "$fresh"' EXIT
  fresh=$(umask 077 && mktemp "$file.XXXXXX")
  # The hard link fails when somebody else made the file meanwhile; then theirs counts.
  if node dist/wgmesh.js init >"$fresh" && [ -s "$fresh" ] && ln "$fresh" "$file" 2>/dev/null; then
    say "made a new secret in $file (mode 0600); whoever has it is a member of the mesh"
    say "to let another machine join, copy that file to it by a safe way, such as scp, and run there:"
    say "  npm run up -- --iface $iface --secret-file THE-COPY"
  fi
  rm -f "$fresh"
  [ -s "$file" ] || { say "cannot make a secret in $file"; exit 3; }
}

if [ -z "$secret_given" ] && [ -z "$only_informs" ]; then
  secret_file=$state_dir/$iface.secret
  [ -s "$secret_file" ] || make_secret "$secret_file"
  set -- --secret-file "$secret_file" "$@"
fi

exec node dist/wgmeshd.js "$@"
