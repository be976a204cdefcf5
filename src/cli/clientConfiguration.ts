/**
 * The configuration of a client, as wg-quick(8) and the WireGuard apps read it. Pure.
 */
export interface ClientConfiguration {
  readonly name: string;
  /** Base64; null for a device that has its own. */
  readonly privateKey: string | null;
  readonly publicKey: string;
  readonly ip: string;
  readonly ipv6: string | null;
  /** Bytes; null leaves it to the device. */
  readonly mtu: number | null;
  readonly dns: readonly string[];
  readonly gateway: {
    readonly publicKey: string;
    /** Base64. */
    readonly presharedKey: string;
    /** `host:port` */
    readonly endpoint: string;
    readonly allowedIps: readonly string[];
  };
}

/** Holds the mapping of a NAT before the client open, as WireGuard itself suggests. */
const KEEPALIVE_SECONDS = 25;

/** Ends with LF. */
export function clientConfigurationText(client: ClientConfiguration): string {
  const { gateway, privateKey, ipv6, mtu, dns } = client;
  const lines = [
    `# wgmesh client ${client.name}`,
    "[Interface]",
    privateKey === null
      ? `# PrivateKey = the one that belongs to ${client.publicKey}`
      : `PrivateKey = ${privateKey}`,
    `Address = ${[`${client.ip}/32`, ...(ipv6 === null ? [] : [`${ipv6}/128`])].join(", ")}`,
    ...(mtu === null ? [] : [`MTU = ${mtu}`]),
    ...(dns.length === 0 ? [] : [`DNS = ${dns.join(", ")}`]),
    "",
    "[Peer]",
    `PublicKey = ${gateway.publicKey}`,
    `PresharedKey = ${gateway.presharedKey}`,
    `Endpoint = ${gateway.endpoint}`,
    `AllowedIPs = ${gateway.allowedIps.join(", ")}`,
    `PersistentKeepalive = ${KEEPALIVE_SECONDS}`,
  ];
  return `${lines.join("\n")}\n`;
}
