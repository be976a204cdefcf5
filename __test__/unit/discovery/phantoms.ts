import { type Endpoint, type IpAddress, type PublicKey, parseIp } from "../../../src/core/types.ts";
import { Announcer } from "../../../src/discovery/announcer.ts";
import { LocalNode } from "../../../src/peers/localNode.ts";
import { PeerStore } from "../../../src/peers/store.ts";
import { decodeAnnouncement } from "../../../src/wire/announcement.ts";
import { openEnvelope } from "../../../src/wire/envelope.ts";
import { testProver } from "../support/prover.ts";
import { seededRandom } from "../support/seededRandom.ts";
import type { FakeClock } from "./fakeClock.ts";
import { GOSSIP_PORT, ownWords, testAddresses, testKey, testSealer } from "./memoryMesh.ts";
import type { MemoryNetwork } from "./memoryNetwork.ts";

/** A peer that answers each HELLO with a proven REPLY and does nothing else: a thousand of them fit into one test. */
export class Phantom {
  readonly key: PublicKey;
  readonly ip: IpAddress;
  readonly meshIp: IpAddress;
  readonly self: LocalNode;
  hellos = 0;

  constructor(clock: FakeClock, network: MemoryNetwork, number: number) {
    const name = `phantom${number}`;
    this.key = testKey(name);
    this.ip = parseIp(`198.51.${100 + (number >> 8)}.${number & 255}`) as IpAddress;
    this.meshIp = testAddresses.meshIpv4(this.key, 0) as IpAddress;
    network.setHost(name, [this.ip]);
    this.self = new LocalNode(ownWords(name));
    const sealer = testSealer();
    const announcer = new Announcer({
      clock,
      random: seededRandom(name),
      self: this.self,
      store: new PeerStore({
        clock,
        ownKey: this.key,
        addresses: testAddresses,
        strictAddresses: false,
        noIpv6: false,
      }),
      sealer,
      prover: testProver(this.key),
    });
    const bind = network.factory(name);
    const binding = { family: "udp4", address: "0.0.0.0", port: GOSSIP_PORT } as const;
    void bind(binding, {
      datagram: (data, from) => {
        const opened = openEnvelope(data, sealer, clock.wallMs());
        if (!opened.ok || opened.type !== "HELLO") return;
        const decoded = decodeAnnouncement(opened.payload);
        if (!decoded.ok) return;
        this.hellos += 1;
        const host = parseIp(from.address) as IpAddress;
        const to: Endpoint = { host, port: from.port };
        const reply = announcer.reply(decoded.value.publicKey, to, 1200);
        if (reply) network.inject({ host: this.ip, port: GOSSIP_PORT }, to, reply);
      },
      error: () => {},
    });
  }
}
