/**
 * The systemd unit (row G9): one template for all interfaces, `wgmesh@wg0`. Its options stand in /etc/wgmesh/<interface>.toml.
 *
 * Each rule was tried with every feature (`__test__/vm/service.test.ts`). Left out: PrivateUsers=, which takes netlink away, and
 * MemoryDenyWriteExecute=, which V8 does not survive.
 */
import type { DaemonOptions } from "../config/options.ts";
import { ExitCode } from "../core/errors.ts";
import type { InterfaceName } from "../core/types.ts";
import type { Programs } from "./programs.ts";

export const SERVICE_USER = "wgmesh";
export const UNIT_FILE = "wgmesh@.service";

export const unitName = (interfaceName: InterfaceName): string => `wgmesh@${interfaceName}.service`;

/** V8's heap ends before the memory of the service does, so that what was lost is a message and not a kill. */
const HEAP_MIB = 256;
const MEMORY_MIB = 512;

/** A start that failed for these reasons fails again. */
const hopeless = [ExitCode.usage, ExitCode.secret, ExitCode.alreadyRunning];

export function unitText({ node, wgmeshd, wgmesh }: Programs): string {
  return `# Made by 'wgmesh install-service'. Change it by 'systemctl edit wgmesh@INTERFACE': the next install writes it anew.
[Unit]
Description=wgmesh node on %i
After=network-pre.target network.target
# It never gives up: what it waits for may come later.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=${word(node)} --max-old-space-size=${HEAP_MIB} ${word(wgmeshd)} --iface %i
# Waits until the new configuration counts, and fails when it is refused.
ExecReload=${word(node)} ${word(wgmesh)} reload --iface %i
# 'wgmesh down' ends it for good; whatever else ends it does not.
Restart=on-failure
RestartSec=1
RestartPreventExitStatus=${hopeless.join(" ")}
WatchdogSec=60
# A process that hangs has nothing to tell, and its memory holds keys.
WatchdogSignal=SIGKILL
TimeoutStartSec=90
TimeoutStopSec=30
KillMode=mixed
SyslogIdentifier=wgmesh-%i

# The secret is read by root and shown to this service alone.
LoadCredential=secret:/etc/wgmesh/%i.secret
User=${SERVICE_USER}
Group=${SERVICE_USER}
StateDirectory=wgmesh
StateDirectoryMode=0700
# wireguard: the sockets of wg(8) for interfaces outside of the kernel.
RuntimeDirectory=wgmesh wireguard
RuntimeDirectoryMode=0755
# Other interfaces share the folders.
RuntimeDirectoryPreserve=yes
UMask=0077

# The interface, addresses, routes and forwarding; raw sockets on WireGuard's port, for STUN and punching beside the kernel's engine.
AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW
NoNewPrivileges=yes
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6
PrivateDevices=yes
BindPaths=-/dev/net/tun
DeviceAllow=/dev/net/tun rw
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateMounts=yes
ProtectProc=invisible
ProcSubset=all
ProtectKernelTunables=yes
# Forwarding.
ReadWritePaths=/proc/sys/net
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
# The group of the socket (--socket-group).
SystemCallFilter=@chown
SystemCallErrorNumber=EPERM
LimitCORE=0
LimitNOFILE=16384
# No MemoryHigh=: without swap it would hold the daemon up until the watchdog ends it. --memory-limit makes it let go by itself.
MemoryMax=${MEMORY_MIB}M
# It has some 20 threads, 360 at most (--threads 64, 128 relayed peers); hooks count too.
TasksMax=512

[Install]
WantedBy=multi-user.target
`;
}

/** A word of a command line, as systemd.service(5) reads it back. */
function word(path: string): string {
  const safe = path.replaceAll("%", "%%").replaceAll("$", "$$$$");
  return /^[\w@/.+:%$-]+$/.test(safe) ? safe : `"${safe.replace(/["\\]/g, "\\$&")}"`;
}

/** Ports below it need a capability. */
const FIRST_FREE_PORT = 1024;

type CapabilityOptions = Pick<
  DaemonOptions,
  "backend" | "stun" | "punching" | "listenPort" | "relayPort" | "dhtPort" | "rpcListen" | "httpListen"
>;

/** What the options of one interface need. */
export function capabilitiesFor(options: CapabilityOptions): string[] {
  const { backend, stun, punching, listenPort, relayPort, dhtPort, rpcListen, httpListen } = options;
  const isRaw = backend !== "embedded" && (stun || punching);
  // 0 is any free one.
  const ports = [listenPort, relayPort, dhtPort, rpcListen?.port, httpListen?.port].map((port) => port ?? 0);
  const isLow = ports.some((port) => port > 0 && port < FIRST_FREE_PORT);
  return ["CAP_NET_ADMIN", ...(isRaw ? ["CAP_NET_RAW"] : []), ...(isLow ? ["CAP_NET_BIND_SERVICE"] : [])];
}

const usual = ["CAP_NET_ADMIN", "CAP_NET_RAW"];

/** The drop-in of an interface that needs other capabilities than the template gives; null when it does not. */
export function capabilitiesDropIn(options: CapabilityOptions): string | null {
  const names = capabilitiesFor(options);
  if (names.join() === usual.join()) return null;
  const list = names.join(" ");
  return `# What the options need that were given to 'wgmesh install-service'.
[Service]
AmbientCapabilities=
AmbientCapabilities=${list}
CapabilityBoundingSet=
CapabilityBoundingSet=${list}
`;
}

/** sysusers.d(5): the user the service runs as. */
export const sysusersText = `# The user of wgmesh@.service.
u ${SERVICE_USER} - "wgmesh node" / -
`;
