#!/usr/bin/env bash
# promtool.sh ARG... - promtool(1) of Prometheus: the one of this machine, else Debian's, unpacked once into a cache and not installed: its
# package would start a Prometheus. Needs apt-get and dpkg then.
set -euo pipefail
cache=${PROMTOOL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/promtool}
program=$(command -v promtool || echo "$cache/usr/bin/promtool")
if [ ! -x "$program" ]; then
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock 9
  # One name, under the lock: what a killed run left is gone with the next.
  work=$cache/work
  trap 'rm -rf "$work"' EXIT
  rm -rf "$work"
  mkdir "$work"
  fetch() (cd "$work" && apt-get -qq download prometheus >"$work/log" 2>&1)
  if [ ! -x "$program" ]; then
    fetch || { apt-get -qq update >&2 || :; fetch; } || { cat "$work/log" >&2; exit 125; }
    dpkg -x "$work"/prometheus_*.deb "$work/root"
    mkdir -p "$cache/usr/bin"
    mv "$work/root/usr/bin/promtool" "$program"
  fi
  rm -rf "$work"
  exec 9>&-
fi
exec "$program" "$@"
