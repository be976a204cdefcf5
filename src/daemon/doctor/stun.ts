/**
 * Whether STUN servers answer, from a socket of its own.
 */
import { isIP } from "node:net";
import { systemClock } from "../../core/clock.ts";
import { systemRandom } from "../../core/random.ts";
import type { Endpoint } from "../../core/types.ts";
import { ControlSocket } from "../../discovery/controlSocket.ts";
import { resolveByDns } from "../../discovery/dnsResolver.ts";
import { bindNodeUdp } from "../../discovery/nodeUdp.ts";
import { StunClient } from "../../discovery/stun/client.ts";

/** Milliseconds until the first answer; null when there was none within three seconds of the name being known. */
export async function askStun(servers: readonly Endpoint[], signal: AbortSignal): Promise<number | null> {
  const silent = { datagram: () => {}, failed: () => {} };
  const probe = await ControlSocket.open({ bind: bindNodeUdp, port: 0, noIpv6: false, ...silent });
  const client = new StunClient({ clock: systemClock, random: systemRandom, socket: probe.forStun() });
  try {
    const asked = servers.map(async ({ host, port }) => {
      const addresses = isIP(host) === 0 ? await resolveByDns(host, { signal }) : [host];
      const outcomes = await Promise.all(
        addresses.slice(0, 2).map((ip) => client.request({ host: ip, port })),
      );
      const answered = outcomes.find((outcome) => outcome.ok);
      if (answered === undefined) throw new Error(`${host} does not answer`);
      return answered.durationMs;
    });
    return await Promise.any(asked).catch(() => null);
  } finally {
    client.close();
    probe.close();
  }
}
