/**
 * Installing a node as a launchd job of macOS, and taking it away again (row G9). What is written is tested everywhere; launchctl runs on
 * a Mac alone.
 */
import type { InterfaceName } from "../core/types.ts";
import type { ServiceHost } from "./host.ts";
import { jobLabel, plistText } from "./plist.ts";
import { configPath, type Installation, type Removal, secretPath, type Undo } from "./systemd.ts";

const plistPath = (interfaceName: InterfaceName): string =>
  `/Library/LaunchDaemons/${jobLabel(interfaceName)}.plist`;

/** Rejects as installSystemd does. */
export async function installLaunchd(host: ServiceHost, installation: Installation): Promise<void> {
  const { interfaceName, programs, config, secret } = installation;
  const secretFile = secretPath(interfaceName);
  if (config !== null) await host.write(configPath(interfaceName), config, 0o644);
  if (secret !== null) await host.write(secretFile, secret, 0o600).finally(() => secret.fill(0));
  const path = plistPath(interfaceName);
  await host.write(path, plistText(interfaceName, programs, secretFile), 0o644);
  // One that runs already has other options.
  host.succeeds("launchctl", "bootout", `system/${jobLabel(interfaceName)}`);
  host.run("launchctl", "bootstrap", "system", path);
}

/** As uninstallSystemd; the key stays where it is, unless `purge`. */
export async function uninstallLaunchd(
  host: ServiceHost,
  interfaceName: InterfaceName,
  purge: boolean,
  undo: Undo,
): Promise<Removal> {
  const path = plistPath(interfaceName);
  const installed = host.exists(path);
  host.succeeds("launchctl", "bootout", `system/${jobLabel(interfaceName)}`);
  await undo("/var/run/wgmesh");
  host.remove(path);
  const files = [
    configPath(interfaceName),
    secretPath(interfaceName),
    `/var/lib/wgmesh/${interfaceName}.json`,
  ];
  if (purge) for (const file of files) host.remove(file);
  return { installed, kept: files.filter((file) => host.exists(file)) };
}
