#!/usr/bin/env bash
# run-under-systemd.sh DIR CMD [ARG...] - run CMD in DIR, as root, on a throw-away Debian VM whose pid 1 is a real systemd (qemu, TCG
# only, no network card), once multi-user.target is reached. DIR appears at the same absolute path, writable (overlay on tmpfs: writes
# are dropped), minus $VM_EXCLUDE. stdout/stderr pass through apart; the exit status is CMD's, 124 on timeout, 125 when the VM failed.
# A unit with PrivateTmp/ProtectHome cannot see a DIR in /tmp, /home or /root: install from it into /usr first. Needs root and
# qemu-system-x86_64 mmdebstrap mksquashfs cpio busybox(static) depmod dpkg apt-get; node is copied from this machine.
set -euo pipefail
NAME=run-under-systemd
# shellcheck source=scripts/vm-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/vm-lib.sh"
SUITE=${VM_SUITE:-bookworm}
# shellcheck disable=SC2016 # apt's own variable
MIRROR=${VM_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -1 | sed 's,/*$,,')}
PKGS=usr-is-merged,systemd,systemd-sysv,dbus,procps,iproute2,iputils-ping,wireguard-tools,nftables,kmod,libstdc++6${VM_PKGS:+,$VM_PKGS} # procps: /bin/kill
read -r -a TOOLS <<<"node wireguard-go ${VM_TOOLS:-}" # binaries copied from this machine (its glibc must not be newer than SUITE's)
GENS="getty fstab gpt-auto hibernate-resume run rc-local sysv system-update veritysetup cryptsetup integritysetup bless-boot"  # -generator
MASK="tmp.mount getty.target getty@tty1.service systemd-logind.service systemd-pstore.service remote-fs.target remote-cryptsetup.target dpkg-db-backup.timer
 fstrim.timer systemd-tmpfiles-clean.timer systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-random-seed.service
 systemd-binfmt.service proc-sys-fs-binfmt_misc.automount dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount
 sys-kernel-config.mount sys-fs-fuse-connections.mount modprobe@.service systemd-remount-fs.service systemd-firstboot.service ldconfig.service
 systemd-machine-id-commit.service systemd-journal-flush.service systemd-journal-catalog-update.service systemd-update-done.service systemd-timesyncd.service
 systemd-networkd-wait-online.service systemd-sysusers.service systemd-modules-load.service kmod-static-nodes.service systemd-ask-password-wall.path
 systemd-ask-password-console.path systemd-udevd.service systemd-udev-trigger.service ${VM_MASK:-}"
vm_begin mmdebstrap "$@"
shift
vm_kernel

# The Debian root, cached per package list.
D=$CACHE/root-$SUITE-$(echo "$PKGS $MIRROR" | sha256sum | cut -c1-12)
if [ ! -e "$D.ok" ]; then
  rm -rf "$D"; { echo "deb $MIRROR $SUITE main"; echo "deb $MIRROR-security $SUITE-security main"; } >"$TMP/src"
  mmdebstrap --quiet --variant=essential --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --include="$PKGS" --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/zoneinfo/*' "$SUITE" "$D" "$TMP/src" >"$TMP/mm.log" 2>&1 9>&- || { tail -20 "$TMP/mm.log" >&2; die "mmdebstrap failed"; }
  touch "$D.ok"; say "Debian root built ($(du -sm "$D" | cut -f1) MB)"
fi

# The base image: the root, tools, all modules, and a pid 1 that starts little.
if vm_base "$D ${TOOLS[*]} $MASK" "${TOOLS[@]}"; then
  R=$TMP/root; cp -a "$D/." "$R"; mkdir -p "$R"/usr/lib/vm
  for t in "${TOOLS[@]}"; do f=$(command -v "$t") || die "$t: not on this machine"; cp -L "$f" "$R/usr/bin/${t##*/}"; done
  vm_modules
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
  chmod +x "$R/usr/lib/vm/run"
  vm_images /lib/systemd/systemd ""
fi
vm_run /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin \
  "systemd.unit=vm.target systemd.show_status=0 systemd.log_level=warning" "$@"
