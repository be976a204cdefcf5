/**
 * Installing a node as a systemd service, and taking it away again (row G9).
 */
import { dirname } from "node:path";
import { messageOf, WgmeshError } from "../core/errors.ts";
import type { InterfaceName } from "../core/types.ts";
import type { ServiceHost } from "./host.ts";
import { keepOthersOff, letOthersBack } from "./otherManagers.ts";
import type { Programs } from "./programs.ts";
import { SERVICE_USER, sysusersText, UNIT_FILE, unitName, unitText } from "./unit.ts";

const UNITS = "/etc/systemd/system";
const WANTS = `${UNITS}/multi-user.target.wants`;
const CONFIG = "/etc/wgmesh";
const SYSUSERS = "/etc/sysusers.d/wgmesh.conf";
const SERVICE_USER_FILE = `${CONFIG}/service-user`;
const STATE = "/var/lib/wgmesh";
const RUN = "/run/wgmesh";

export const configPath = (interfaceName: InterfaceName): string => `${CONFIG}/${interfaceName}.toml`;
export const secretPath = (interfaceName: InterfaceName): string => `${CONFIG}/${interfaceName}.secret`;
/** Of systemd-creds(1), which an operator may make in the place of the secret's file. */
const encryptedPath = (interfaceName: InterfaceName): string => `${CONFIG}/${interfaceName}.cred`;
const dropInFolder = (interfaceName: InterfaceName): string => `${UNITS}/${unitName(interfaceName)}.d`;
const dropInPath = (interfaceName: InterfaceName): string =>
  `${dropInFolder(interfaceName)}/capabilities.conf`;

export interface Installation {
  readonly interfaceName: InterfaceName;
  readonly programs: Programs;
  /** The text of a new configuration file; null leaves the one that is there, or none. */
  readonly config: string | null;
  /** The drop-in of unit.ts. */
  readonly capabilities: string | null;
  /** The secret's bytes; null leaves the file that is there. Overwritten with zeros once they are written. */
  readonly secret: Uint8Array | null;
}

/** Rejects with ERR_SYSTEM or ERR_STATE_WRITE; an installation that was begun can be begun again, or taken away. */
export async function installSystemd(host: ServiceHost, installation: Installation): Promise<void> {
  const { interfaceName, programs, config, capabilities, secret } = installation;
  await host.write(`${UNITS}/${UNIT_FILE}`, unitText(programs), 0o644);
  await host.write(SYSUSERS, sysusersText, 0o644);
  await host.write(SERVICE_USER_FILE, `${SERVICE_USER}\n`, 0o644);
  if (config !== null) await host.write(configPath(interfaceName), config, 0o644);
  if (secret !== null) {
    await host.write(secretPath(interfaceName), secret, 0o600).finally(() => secret.fill(0));
  }
  if (capabilities === null) host.remove(dropInPath(interfaceName));
  else await host.write(dropInPath(interfaceName), capabilities, 0o644);
  // Before the interface is there.
  await keepOthersOff(host, interfaceName);
  // As 'systemctl enable' does; so also in another machine's files.
  host.link(`${WANTS}/${unitName(interfaceName)}`, `${UNITS}/${UNIT_FILE}`);
  host.run("systemd-sysusers", SYSUSERS);
  host.run("systemctl", "daemon-reload");
  start(host, interfaceName);
}

function start(host: ServiceHost, interfaceName: InterfaceName): void {
  const unit = unitName(interfaceName);
  try {
    // The one that runs already is another release, or has other options.
    host.run("systemctl", "restart", unit);
  } catch (cause) {
    throw new WgmeshError("ERR_START", `the service is installed and does not start: ${messageOf(cause)}`, {
      cause,
      hint: `'journalctl -u ${unit} -e' says why; 'wgmesh uninstall-service --iface ${interfaceName}' takes it away`,
    });
  }
}

const KEPT = [configPath, secretPath, encryptedPath];

/** Given the folder of the run files. */
export type Undo = (runDir: string) => Promise<unknown>;

export interface Removal {
  /** False when there was no such service. */
  readonly installed: boolean;
  /** What is still there: the key and the configuration, unless they were to go too. */
  readonly kept: readonly string[];
}

/**
 * Stops the service and removes what {@link installSystemd} made, with the last interface also what all share. The key, the peers, the
 * configuration and the secret stay, root's from now on, unless `purge`.
 *
 * @param undo puts back what a daemon that crashed left on the host. Its record goes with the other files, so nothing is removed before.
 *
 * Rejects with ERR_SYSTEM, and with what `undo` rejects with.
 */
export async function uninstallSystemd(
  host: ServiceHost,
  interfaceName: InterfaceName,
  purge: boolean,
  undo: Undo,
): Promise<Removal> {
  const unit = unitName(interfaceName);
  const installed =
    host.list(WANTS).includes(unit) || host.succeeds("systemctl", "is-active", "--quiet", unit);
  if (installed) host.run("systemctl", "stop", unit);
  await undo(RUN);
  host.remove(`${WANTS}/${unit}`);
  // Also one that failed is forgotten.
  host.succeeds("systemctl", "reset-failed", unit);
  host.remove(dropInPath(interfaceName));
  if (host.list(dropInFolder(interfaceName)).length === 0) host.remove(dropInFolder(interfaceName));
  letOthersBack(host, interfaceName);
  const ofNode = (name: string): boolean => isOf(interfaceName, name);
  if (purge) {
    for (const pathOf of KEPT) host.remove(pathOf(interfaceName));
    for (const name of host.list(STATE).filter(ofNode)) host.remove(`${STATE}/${name}`);
  }
  for (const name of host.list(RUN).filter(ofNode)) host.remove(`${RUN}/${name}`);
  const others = host.list(WANTS).some((name) => name.startsWith("wgmesh@"));
  if (!others) removeShared(host);
  host.run("systemctl", "daemon-reload");
  const kept = KEPT.map((pathOf) => pathOf(interfaceName)).filter((path) => host.exists(path));
  const state = host.list(STATE).some(ofNode) ? [STATE] : [];
  return { installed, kept: [...kept, ...state] };
}

/** The files of one interface: `wg0.json`, `wg0-peers.json`, `wg0-<network>-dht.nodes`, `.wg0.json.<chance>.tmp`; not those of `wg0-b`. */
function isOf(interfaceName: InterfaceName, name: string): boolean {
  const visible = name.startsWith(".") ? name.slice(1) : name;
  if (!visible.startsWith(interfaceName)) return false;
  return /^(\.|-peers\.json|-[0-9a-f]{16}-dht\.nodes)/.test(visible.slice(interfaceName.length));
}

function removeShared(host: ServiceHost): void {
  host.remove(`${UNITS}/${UNIT_FILE}`);
  host.remove(SYSUSERS);
  if (host.list(dirname(SYSUSERS)).length === 0) host.remove(dirname(SYSUSERS));
  host.remove(SERVICE_USER_FILE);
  for (const folder of [RUN, "/run/wireguard", STATE, CONFIG]) {
    if (host.exists(folder) && isBare(host.list(folder))) host.remove(folder);
  }
  // Before the user is gone, whose number another user may get.
  if (host.exists(STATE)) host.run("chown", "-Rh", "root:root", STATE);
  if (host.succeeds("getent", "passwd", SERVICE_USER)) host.run("userdel", SERVICE_USER);
}

/** Lock files are empty, and stay when a daemon ends. */
const isBare = (names: readonly string[]): boolean => names.every((name) => name.endsWith(".lock"));
