#!/usr/bin/env bash
# run-under-systemd.sh DIR CMD [ARG...] - run CMD in DIR, as root, on a throw-away Debian VM whose pid 1 is a real systemd (qemu, TCG
# only, no network card), once multi-user.target is reached. DIR appears at the same absolute path, writable (overlay on tmpfs: writes
# are dropped), minus $VM_EXCLUDE. stdout/stderr pass through apart; the exit status is CMD's, 124 on timeout, 125 when the VM failed.
# A unit with PrivateTmp/ProtectHome cannot see a DIR in /tmp, /home or /root: install from it into /usr first. Needs root and
# qemu-system-x86_64 mmdebstrap mksquashfs cpio busybox(static) depmod dpkg apt-get; node is copied from this machine.
set -euo pipefail
SUITE=${VM_SUITE:-bookworm} MIRROR=${VM_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -1 | sed 's,/*$,,')} KPKG=${VM_KERNEL_PKG:-linux-image-cloud-amd64}
MEM=${VM_MEM:-1024} SMP=${VM_SMP:-2} LIMIT=${VM_TIMEOUT:-300} CACHE=${VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/run-under-systemd}
PKGS=usr-is-merged,systemd,systemd-sysv,dbus,procps,iproute2,iputils-ping,wireguard-tools,kmod,libstdc++6${VM_PKGS:+,$VM_PKGS}   # procps: /bin/kill
TOOLS="node ${VM_TOOLS:-}"                            # binaries copied from this machine (its glibc must not be newer than SUITE's)
EXCLUDE=${VM_EXCLUDE-.git target}                     # paths relative to DIR left out of the image
INITRD_MODS="virtio_pci virtio_blk virtio_console squashfs overlay"
GENS="getty fstab gpt-auto hibernate-resume run rc-local sysv system-update veritysetup cryptsetup integritysetup bless-boot"  # -generator
MASK="tmp.mount getty.target getty@tty1.service systemd-logind.service systemd-pstore.service remote-fs.target remote-cryptsetup.target dpkg-db-backup.timer
 fstrim.timer systemd-tmpfiles-clean.timer systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-random-seed.service
 systemd-binfmt.service proc-sys-fs-binfmt_misc.automount dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount
 sys-kernel-config.mount sys-fs-fuse-connections.mount modprobe@.service systemd-remount-fs.service systemd-firstboot.service ldconfig.service
 systemd-machine-id-commit.service systemd-journal-flush.service systemd-journal-catalog-update.service systemd-update-done.service systemd-timesyncd.service
 systemd-networkd-wait-online.service systemd-sysusers.service systemd-modules-load.service kmod-static-nodes.service systemd-ask-password-wall.path
 systemd-ask-password-console.path systemd-udevd.service systemd-udev-trigger.service ${VM_MASK:-}"
die() { echo "run-under-systemd: $*" >&2; exit 125; }
say() { [ -z "${VM_VERBOSE:-}" ] || printf 'run-under-systemd: %6.2fs %s\n' "$(awk "BEGIN{print $EPOCHREALTIME-$T0}")" "$*" >&2; }
T0=$EPOCHREALTIME
[ $# -ge 2 ] || { echo "usage: $0 DIR CMD [ARG...]" >&2; exit 125; }
DIR=$(realpath -e "$1") || die "no such directory: $1"; shift
[ -d "$DIR" ] && [ "$DIR" != / ] || die "not a usable directory: $DIR"; export PATH=$PATH:/usr/sbin:/sbin
for t in qemu-system-x86_64 mmdebstrap mksquashfs cpio busybox depmod modprobe dpkg flock; do
  command -v $t >/dev/null || die "$t is missing (apt-get install --no-install-recommends qemu-system-x86 mmdebstrap squashfs-tools cpio busybox-static kmod)"
done
mkdir -p "$CACHE"; TMP=$(mktemp -d "${TMPDIR:-/tmp}/run-under-systemd.XXXXXX"); QPID=
cleanup() { [ -z "$QPID" ] || kill "$QPID" 2>/dev/null || :; rm -rf "$TMP"; }
trap cleanup EXIT; trap 'die "failed at line $LINENO"' ERR; trap 'exit 130' INT; trap 'exit 143' TERM
exec 9>"$CACHE/lock"; flock 9                         # parallel runs share one cache

# 1. kernel package of this machine's apt sources: resolved and fetched once
K=$CACHE/$KPKG
if [ ! -e "$K/ok" ]; then
  deps() { apt-cache depends "$1" 2>/dev/null | awk -v r="$2" '$1=="Depends:" && $2 ~ r {print $2}'; }
  fetch() { P=$(deps "$KPKG" '^linux-image-[0-9]' | head -1); P=${P:-$KPKG}; P="$P $(deps "$P" '^linux-(binary|modules)-[0-9]')"; (mkdir -p "$TMP/deb" && cd "$TMP/deb" && apt-get -qq download $P >"$TMP/apt.log" 2>&1); }
  fetch || { apt-get -qq update >&2 || :; fetch; } || { cat "$TMP/apt.log" >&2; die "cannot download $KPKG"; }
  for d in "$TMP"/deb/*.deb; do dpkg -x "$d" "$TMP/k"; done; rm -rf "$K"; mkdir -p "$K"
  for d in "$TMP/k/usr/lib/modules" "$TMP/k/lib/modules"; do [ ! -d "$d" ] || mv "$d" "$K/modules"; done
  mv "$TMP"/k/boot/vmlinuz-* "$K/vmlinuz" 2>/dev/null || mv "$K"/modules/*/vmlinuz "$K/vmlinuz"; ls "$K/modules" >"$K/ok"; say "kernel $(cat "$K/ok") unpacked"
fi
REL=$(cat "$K/ok")

# 2. Debian root, cached per package list; then initrd and base image, rebuilt when kernel, tools, root or this script change
D=$CACHE/root-$SUITE-$(echo "$PKGS $MIRROR" | sha256sum | cut -c1-12)
if [ ! -e "$D.ok" ]; then
  rm -rf "$D"; { echo "deb $MIRROR $SUITE main"; echo "deb $MIRROR-security $SUITE-security main"; } >"$TMP/src"
  mmdebstrap --quiet --variant=essential --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --include="$PKGS" --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/zoneinfo/*' "$SUITE" "$D" "$TMP/src" >"$TMP/mm.log" 2>&1 9>&- || { tail -20 "$TMP/mm.log" >&2; die "mmdebstrap failed"; }
  touch "$D.ok"; say "Debian root built ($(du -sm "$D" | cut -f1) MB)"
fi
KEY=$( { cat "$0"; echo "$REL $D $TOOLS $MASK"; for t in $TOOLS busybox; do stat -Lc '%n %s %Y' "$(command -v $t)" || :; done; } | sha256sum | cut -c1-16); B=$K/base-$KEY
if [ ! -e "$B/ok" ]; then
  rm -rf "$K"/base-*; mkdir -p "$B"; R=$TMP/root; I=$TMP/initrd; cp -a "$D" "$R"; mkdir -p "$I"/{bin,proc,sys,dev,lib/modules} "$R"/usr/lib/vm
  for t in $TOOLS; do f=$(command -v $t) || die "$t: not on this machine"; cp -L "$f" "$R/usr/bin/${t##*/}"; done; cp "$(command -v busybox)" "$I/bin/busybox"
  mkdir -p "$R/usr/lib/modules"; cp -r "$K/modules/$REL" "$R/usr/lib/modules/"
  find "$R/usr/lib/modules" -name "*.ko.xz" -print0 | xargs -0r -P2 -n64 xz -d; depmod -b "$R" "$REL"
  S=$R/etc/systemd/system; for u in $MASK; do ln -sf /dev/null "$S/$u"; done
  mkdir -p "$R"/etc/systemd/{system-generators,journald.conf.d,system.conf.d}; for g in $GENS; do ln -s /dev/null "$R/etc/systemd/system-generators/systemd-$g-generator"; done
  echo 0123456789abcdef0123456789abcdef >"$R/etc/machine-id"; echo vm >"$R/etc/hostname"; printf '127.0.0.1 localhost vm\n::1 localhost\n' >"$R/etc/hosts"; : >"$R/etc/fstab"
  printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nAudit=no\n' >"$R/etc/systemd/journald.conf.d/vm.conf"
  : >"$R/etc/tmpfiles.d/tmp.conf"                     # Debian's empties /tmp at boot, and DIR may be there
  echo 'c /dev/net/tun 0666 root root - 10:200' >"$R/etc/tmpfiles.d/vm.conf"   # what udev would do; opening it loads the tun module
  printf '[Unit]\nWants=multi-user.target vm.service\nAfter=multi-user.target\nAllowIsolate=yes\n' >"$S/vm.target"
  printf '[Unit]\nAfter=multi-user.target\n[Service]\nType=exec\nExecStart=/usr/lib/vm/run\nStandardOutput=null\nStandardError=null\nTasksMax=infinity\nLimitNOFILE=65536\n' >"$S/vm.service"
  printf '[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/systemctl poweroff -ff\n' | tee "$S/emergency.service" >"$S/rescue.service"
  cat >"$R/usr/lib/vm/run" <<'RUN'
#!/bin/bash
ip link set lo up; mkfifo /run/.o /run/.e; cat </run/.o >/dev/vport0p1 & O=$!; cat </run/.e >/dev/vport0p2 & E=$!   # a vport opens once
unset INVOCATION_ID SYSTEMD_EXEC_PID LISTEN_FDS NOTIFY_SOCKET
/bin/bash /root/.vm-cmd </dev/null >/run/.o 2>/run/.e; rc=$?
for i in {1..20}; do kill -0 $O 2>/dev/null || kill -0 $E 2>/dev/null || break; sleep 0.1; done   # drain; a left-over daemon may hold them
echo "rc=$rc" >/dev/vport0p3; exec systemctl poweroff -ff
RUN
  cat >"$I/init" <<'INIT'
#!/bin/busybox sh
B=/bin/busybox; $B mount -t proc proc /proc; $B mount -t sysfs sys /sys; $B mount -t devtmpfs dev /dev
while read m; do $B insmod /lib/modules/$m; done </lib/modules/order
. /vars; R=/root
ov() { $B mkdir -p /ov/$1/u /ov/$1/w; $B mount -t overlay -o lowerdir=$2,upperdir=/ov/$1/u,workdir=/ov/$1/w $1 "$3"; }   # writable view
fail() { echo "init: cannot mount the $*"; $B poweroff -f; }
$B mkdir -p /ov $R /low/b /low/d; $B mount -t tmpfs -o size=90% t /ov
$B mount -t squashfs -o ro /dev/vda /low/b && ov b /low/b $R || fail base image
$B mount -t squashfs -o ro /dev/vdb /low/d && $B mkdir -p "$R$DIR" && ov d /low/d "$R$DIR" || fail project image
$B cp /cmd $R/root/.vm-cmd; for d in proc sys dev; do $B mount --move /$d $R/$d; done
exec $B switch_root $R /lib/systemd/systemd
INIT
  chmod +x "$I/init" "$R/usr/lib/vm/run"
  for m in $INITRD_MODS; do modprobe -d "$R" -S "$REL" --show-depends $m 2>/dev/null || :; done | awk '$1=="insmod" && !s[$2]++ {print $2}' | while read -r f; do cp "$f" "$I/lib/modules/"; echo "${f##*/}" >>"$I/lib/modules/order"; done
  (cd "$I" && find . | cpio -o -H newc --quiet -R 0:0) >"$B/initrd"
  mksquashfs "$R" "$B/base.sqfs" -noI -noD -noF -noX -no-progress -quiet >"$TMP/sq.log" 2>&1 || { cat "$TMP/sq.log" >&2; die "mksquashfs failed"; }; touch "$B/ok"; say "base image built ($(stat -c %s "$B/base.sqfs") bytes)"
fi
cp "$B/initrd" "$TMP/initrd.img"; for f in "$B/base.sqfs" "$K/vmlinuz"; do ln "$f" "$TMP/" 2>/dev/null || cp "$f" "$TMP/"; done; flock -u 9

# 3. this run: the project image, and DIR/CMD as a second cpio behind the cached initrd
mksquashfs "$DIR" "$TMP/dir.sqfs" -noI -noD -noF -noX -no-xattrs -no-progress -quiet ${EXCLUDE:+-e $EXCLUDE} >/dev/null || die "mksquashfs failed"
mkdir "$TMP/run"; printf 'DIR=%q\n' "$DIR" >"$TMP/run/vars"
{ echo "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root LANG=C.UTF-8 IN_VM=1 ${CI:+CI=1}"; for v in ${VM_ENV:-}; do printf 'export %s=%q\n' "$v" "${!v-}"; done
  printf 'cd %q || exit 125\n' "$DIR"; printf 'exec'; printf ' %q' "$@"; echo; } >"$TMP/run/cmd"
(cd "$TMP/run" && find . -type f | cpio -o -H newc --quiet -R 0:0) >>"$TMP/initrd.img"; say "images ready, starting qemu"

# 4. boot
mkfifo "$TMP/o" "$TMP/e"; : >"$TMP/rc"; cat "$TMP/o" & CO=$!; cat "$TMP/e" >&2 & CE=$!
timeout -k 5 "$LIMIT" qemu-system-x86_64 -accel tcg,thread=multi -smp "$SMP" -cpu max -m "$MEM" -nodefaults -display none -no-reboot \
  -kernel "$TMP/vmlinuz" -initrd "$TMP/initrd.img" -serial "file:$TMP/console" \
  -append "console=ttyS0 panic=-1 no_timer_check quiet systemd.unit=vm.target systemd.show_status=0 systemd.log_level=warning ${VM_APPEND:-}" \
  -drive "file=$TMP/base.sqfs,format=raw,if=virtio,readonly=on" -drive "file=$TMP/dir.sqfs,format=raw,if=virtio,readonly=on" \
  -device virtio-serial-pci -chardev "file,id=o,path=$TMP/o" -device virtserialport,chardev=o,nr=1 \
  -chardev "file,id=e,path=$TMP/e" -device virtserialport,chardev=e,nr=2 -chardev "file,id=r,path=$TMP/rc" -device virtserialport,chardev=r,nr=3 \
  </dev/null 9>&- & QPID=$!
Q=0; wait "$QPID" || Q=$?; QPID=; wait "$CO" "$CE" || :; say "VM ended"
[ -z "${VM_VERBOSE:-}" ] || sed 's/^/console: /' "$TMP/console" >&2
case $(cat "$TMP/rc") in rc=*) exit "$(sed -n 's/^rc=//p' "$TMP/rc")";; esac
[ "$Q" != 124 ] && [ "$Q" != 137 ] || { echo "run-under-systemd: no exit status within $LIMIT s" >&2; tail -20 "$TMP/console" >&2; exit 124; }
echo "run-under-systemd: the VM stopped without an exit status (qemu said $Q); console:" >&2; tail -40 "$TMP/console" >&2; exit 125
