/**
 * systemd-networkd and NetworkManager take addresses and routes away from links that they believe to be theirs. A file of each says that
 * the interface is not (row G10).
 */
import type { InterfaceName } from "../core/types.ts";
import type { ServiceHost } from "./host.ts";

const NETWORK_MANAGER = "/etc/NetworkManager";
const NETWORKD_FOLDER = "/etc/systemd/network";

// The first file that matches a link is the one that counts.
const networkdPath = (interfaceName: InterfaceName): string =>
  `${NETWORKD_FOLDER}/00-wgmesh-${interfaceName}.network`;
const networkManagerPath = (interfaceName: InterfaceName): string =>
  `${NETWORK_MANAGER}/conf.d/wgmesh-${interfaceName}.conf`;

const MADE_BY = "# Made by 'wgmesh install-service'.";

/** systemd.network(5). */
const networkdText = (interfaceName: InterfaceName): string => `${MADE_BY}
[Match]
Name=${interfaceName}

[Link]
Unmanaged=yes
`;

/** NetworkManager.conf(5): beside what other files say. */
const networkManagerText = (interfaceName: InterfaceName): string => `${MADE_BY}
[keyfile]
unmanaged-devices+=interface-name:${interfaceName}
`;

/** Rejects with ERR_STATE_WRITE. Without NetworkManager there is no file for it. */
export async function keepOthersOff(host: ServiceHost, interfaceName: InterfaceName): Promise<void> {
  await host.write(networkdPath(interfaceName), networkdText(interfaceName), 0o644);
  if (host.exists(NETWORK_MANAGER)) {
    await host.write(networkManagerPath(interfaceName), networkManagerText(interfaceName), 0o644);
  }
  tell(host);
}

/** Undoes {@link keepOthersOff}. */
export function letOthersBack(host: ServiceHost, interfaceName: InterfaceName): void {
  const paths = [networkdPath(interfaceName), networkManagerPath(interfaceName)];
  const made = paths.filter((path) => host.exists(path));
  for (const path of made) host.remove(path);
  if (made.length > 0) tell(host);
}

/** Whichever of the two runs reads its files anew; the other links stay as they are. */
function tell(host: ServiceHost): void {
  host.succeeds("networkctl", "reload");
  if (host.exists(NETWORK_MANAGER)) host.succeeds("systemctl", "reload", "NetworkManager.service");
}
