# shellcheck shell=bash
# Shared by run-in-vm.sh and run-under-systemd.sh: a throw-away VM (qemu, TCG only, no network card) with Debian's kernel, a base image and
# the project's image. Sourced after NAME (for messages) is set; both scripts are parts of the base image's key. Exit statuses: the
# command's, 124 on timeout, 125 when the VM or its set-up failed.

KPKG=${VM_KERNEL_PKG:-linux-image-cloud-amd64} # or linux-image-6.12-cloud-amd64 (bookworm-security)
MEM=${VM_MEM:-1024} SMP=${VM_SMP:-2} LIMIT=${VM_TIMEOUT:-300}
CACHE=${VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/$NAME}
read -r -a EXCLUDED <<<"${VM_EXCLUDE-.git target}" # paths relative to DIR left out of the image
INITRD_MODS=(virtio_pci virtio_blk virtio_console squashfs overlay)
LIBRARY=${BASH_SOURCE[0]}
QPID= # of qemu, while it runs
TMP=  # folder of this run
T0=$EPOCHREALTIME
PATH=$PATH:/usr/sbin:/sbin

die() { echo "$NAME: $*" >&2; exit 125; }
say() { [ -z "${VM_VERBOSE:-}" ] || printf '%s: %6.2fs %s\n' "$NAME" "$(awk "BEGIN{print $EPOCHREALTIME-$T0}")" "$*" >&2; }

# Invoked by the trap.
# shellcheck disable=SC2317
cleanup() {
  [ -z "$QPID" ] || kill "$QPID" 2>/dev/null || :
  [ -z "$TMP" ] || rm -rf "$TMP"
}

# What runs left that were killed: each holds a lock in its folder, and its qemu holds it too.
sweep() {
  local lock
  for lock in "${TMPDIR:-/tmp}/$NAME".??????/alive; do
    [ ! -f "$lock" ] || ! flock -n "$lock" true || rm -rf "${lock%/*}"
  done
}

# vm_begin PROGRAMS DIR CMD...: checks both, makes $TMP, and takes the cache's lock until vm_run: parallel runs share one cache.
vm_begin() {
  local programs=$1 program
  shift
  [ $# -ge 2 ] || { echo "usage: $0 DIR CMD [ARG...]" >&2; exit 125; }
  DIR=$(realpath -e "$1") || die "no such directory: $1"
  if [ ! -d "$DIR" ] || [ "$DIR" = / ]; then die "not a usable directory: $DIR"; fi
  for program in $programs qemu-system-x86_64 mksquashfs cpio busybox depmod modprobe dpkg flock; do
    command -v "$program" >/dev/null ||
      die "$program is missing (apt-get install --no-install-recommends qemu-system-x86 mmdebstrap squashfs-tools cpio busybox-static kmod)"
  done
  mkdir -p "$CACHE"
  trap cleanup EXIT
  trap 'die "failed at line $LINENO"' ERR
  trap 'exit 130' INT
  trap 'exit 143' TERM
  exec 9>"$CACHE/lock"
  flock 9
  sweep
  TMP=$(mktemp -d "${TMPDIR:-/tmp}/$NAME.XXXXXX")
  exec 8>"$TMP/lock"
  flock 8
  mv "$TMP/lock" "$TMP/alive"
}

depends() { apt-cache depends "$1" 2>/dev/null | awk -v r="$2" '$1=="Depends:" && $2 ~ r {print $2}'; }

fetch_kernel() {
  local package
  package=$(depends "$KPKG" '^linux-image-[0-9]' | head -n 1)
  package=${package:-$KPKG}
  local packages=("$package")
  mapfile -t -O 1 packages < <(depends "$package" '^linux-(binary|modules)-[0-9]')
  mkdir -p "$TMP/deb"
  (cd "$TMP/deb" && apt-get -qq download "${packages[@]}" >"$TMP/apt.log" 2>&1)
}

# The kernel package of this machine's apt sources, fetched once (VM_REFRESH=1 looks for a newer one): $K has it, $REL is its release.
vm_kernel() {
  local deb folder
  K=$CACHE/$KPKG
  if [ -n "${VM_REFRESH:-}" ] || [ ! -e "$K/ok" ]; then
    fetch_kernel || { apt-get -qq update >&2 || :; fetch_kernel; } || { cat "$TMP/apt.log" >&2; die "cannot download $KPKG"; }
    for deb in "$TMP"/deb/*.deb; do dpkg -x "$deb" "$TMP/k"; done
    rm -rf "$K"
    mkdir -p "$K"
    for folder in "$TMP/k/usr/lib/modules" "$TMP/k/lib/modules"; do [ ! -d "$folder" ] || mv "$folder" "$K/modules"; done
    mv "$TMP"/k/boot/vmlinuz-* "$K/vmlinuz" 2>/dev/null || mv "$K"/modules/*/vmlinuz "$K/vmlinuz" # Debian 7.x keeps it there
    ls "$K/modules" >"$K/ok"
    say "kernel $(cat "$K/ok") unpacked"
  fi
  REL=$(cat "$K/ok")
}

# vm_base TEXT PROGRAM...: sets $B, the folder of the base image: another one for another kernel, script, text or program. True when it must be
# built, into $TMP/root and $TMP/initrd.
vm_base() {
  local text=$1 key program
  shift
  key=$(
    {
      cat "$0" "$LIBRARY"
      echo "$REL $text"
      for program in "$@" busybox; do stat -Lc '%n %s %Y' "$(command -v "$program")" 2>/dev/null || :; done
    } | sha256sum | cut -c1-16
  )
  B=$K/base-$key
  [ ! -e "$B/ok" ] || return 1
  rm -rf "$K"/base-*
  mkdir -p "$B" "$TMP/root" "$TMP"/initrd/{bin,proc,sys,dev,lib/modules}
}

vm_modules() {
  mkdir -p "$TMP/root/usr/lib/modules"
  cp -r "$K/modules/$REL" "$TMP/root/usr/lib/modules/"
  find "$TMP/root/usr/lib/modules" -name "*.ko.xz" -print0 | xargs -0r -P2 -n64 xz -d
  depmod -b "$TMP/root/usr" "$REL" 2>/dev/null || depmod -b "$TMP/root" "$REL"
}

# vm_images INIT FOLDERS [OPTION...]: the initrd, whose last word is INIT of the base image as pid 1, and the base image (OPTION: of mksquashfs).
# FOLDERS are writable by everybody, and mounted before the project, which may be in one of them.
vm_images() {
  local init=$1 folders=$2 module file initrd=$TMP/initrd
  shift 2
  for module in "${INITRD_MODS[@]}"; do
    modprobe -d "$TMP/root" -S "$REL" --show-depends "$module" 2>/dev/null || say "$module: no module, taken as built in"
  done | awk '$1=="insmod" && !s[$2]++ {print $2}' | while read -r file; do
    cp "$file" "$initrd/lib/modules/"
    echo "${file##*/}" >>"$initrd/lib/modules/order"
  done
  cp "$(command -v busybox)" "$initrd/bin/busybox"
  {
    echo '#!/bin/busybox sh'
    echo "FOLDERS='$folders'"
    cat
  } >"$initrd/init" <<'INIT'
B=/bin/busybox; $B mount -t proc proc /proc; $B mount -t sysfs sys /sys; $B mount -t devtmpfs dev /dev
while read m; do $B insmod /lib/modules/$m; done </lib/modules/order
. /vars; R=/root
ov() { $B mkdir -p /ov/$1/u /ov/$1/w; $B mount -t overlay -o lowerdir=$2,upperdir=/ov/$1/u,workdir=/ov/$1/w $1 "$3"; }   # writable view
fail() { echo "init: cannot mount the $*"; $B poweroff -f; }
$B mkdir -p /ov $R /low/b /low/d; $B mount -t tmpfs -o size=90% t /ov
$B mount -t squashfs -o ro /dev/vda /low/b && ov b /low/b $R || fail base image
for d in $FOLDERS; do $B mkdir -p $R/$d; $B mount -t tmpfs -o mode=1777 t $R/$d; done
$B mount -t squashfs -o ro /dev/vdb /low/d && $B mkdir -p "$R$DIR" && ov d /low/d "$R$DIR" || fail project image
$B cp /cmd $R/root/.vm-cmd; for d in proc sys dev; do $B mount --move /$d $R/$d; done
INIT
  # By pid 1 itself: the kernel's module autoload runs in pid 1's root.
  echo "exec \$B switch_root \$R $init" >>"$initrd/init"
  chmod +x "$initrd/init"
  (cd "$initrd" && find . | cpio -o -H newc --quiet -R 0:0) >"$B/initrd"
  mksquashfs "$TMP/root" "$B/base.sqfs" "$@" -noI -noD -noF -noX -no-progress -quiet >"$TMP/sq.log" 2>&1 || { cat "$TMP/sq.log" >&2; die "mksquashfs failed"; }
  touch "$B/ok"
  say "base image built ($(stat -c %s "$B/base.sqfs") bytes)"
}

# vm_run PATH APPEND CMD...: this run's images (the project, and DIR and CMD as a second cpio behind the cached initrd), and the VM; exits.
vm_run() {
  local path=$1 append=$2 file variable out err status=0
  shift 2
  cp "$B/initrd" "$TMP/initrd.img"
  for file in "$B/base.sqfs" "$K/vmlinuz"; do ln "$file" "$TMP/" 2>/dev/null || cp "$file" "$TMP/"; done
  flock -u 9
  local exclude=()
  [ ${#EXCLUDED[@]} = 0 ] || exclude=(-e "${EXCLUDED[@]}")
  mksquashfs "$DIR" "$TMP/dir.sqfs" -noI -noD -noF -noX -no-xattrs -no-progress -quiet "${exclude[@]}" >/dev/null || die "mksquashfs failed"
  mkdir "$TMP/run"
  printf 'DIR=%q\n' "$DIR" >"$TMP/run/vars"
  {
    echo "export PATH=$path HOME=/root LANG=C.UTF-8 IN_VM=1 ${CI:+CI=1}"
    for variable in ${VM_ENV:-}; do printf 'export %s=%q\n' "$variable" "${!variable-}"; done
    printf 'cd %q || exit 125\nexec' "$DIR"
    printf ' %q' "$@"
    echo
  } >"$TMP/run/cmd"
  (cd "$TMP/run" && find . -type f | cpio -o -H newc --quiet -R 0:0) >>"$TMP/initrd.img"
  say "images ready ($(stat -c %s "$TMP/dir.sqfs") bytes of the project), starting qemu"

  # Without protection keys: node has its own, and qemu forgets all translated addresses at every switch between its threads and the
  # kernel's (a peer's removal waits twice: 2,500 of them took node three times as long as wg). On a processor that costs nothing.
  mkfifo "$TMP/o" "$TMP/e"
  : >"$TMP/rc"
  cat "$TMP/o" &
  out=$!
  cat "$TMP/e" >&2 &
  err=$!
  timeout -k 5 "$LIMIT" qemu-system-x86_64 -accel tcg,thread=multi -smp "$SMP" -cpu max,-pku -m "$MEM" -nodefaults -display none -no-reboot \
    -kernel "$TMP/vmlinuz" -initrd "$TMP/initrd.img" -append "console=ttyS0 panic=-1 no_timer_check quiet $append ${VM_APPEND:-}" -serial "file:$TMP/console" \
    -drive "file=$TMP/base.sqfs,format=raw,if=virtio,readonly=on" -drive "file=$TMP/dir.sqfs,format=raw,if=virtio,readonly=on" \
    -device virtio-serial-pci -chardev "file,id=o,path=$TMP/o" -device virtserialport,chardev=o,nr=1 \
    -chardev "file,id=e,path=$TMP/e" -device virtserialport,chardev=e,nr=2 -chardev "file,id=r,path=$TMP/rc" -device virtserialport,chardev=r,nr=3 \
    </dev/null 9>&- &
  QPID=$!
  wait "$QPID" || status=$?
  QPID=
  wait "$out" "$err" || :
  say "VM ended"
  [ -z "${VM_VERBOSE:-}" ] || sed 's/^/console: /' "$TMP/console" >&2
  case $(cat "$TMP/rc") in rc=*) exit "$(sed -n 's/^rc=//p' "$TMP/rc")" ;; esac
  if [ "$status" = 124 ] || [ "$status" = 137 ]; then
    echo "$NAME: no exit status within $LIMIT s" >&2
    tail -20 "$TMP/console" >&2
    exit 124
  fi
  echo "$NAME: the VM stopped without an exit status (qemu said $status); console:" >&2
  tail -40 "$TMP/console" >&2
  exit 125
}
