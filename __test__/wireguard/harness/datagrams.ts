/** WireGuard's datagrams as somebody on the path sees them, and sends them. */
import { delay, until } from "../../mesh/harness/time.ts";
import type { Job, Place } from "./place.ts";
import { helper, python } from "./streams.ts";

/** Message types (section 5.4 of the paper). */
export const INITIATION = 1;
export const RESPONSE = 2;
export const COOKIE = 3;
export const DATA = 4;

/** A data message around nothing. */
export const KEEPALIVE_BYTES = 32;

export interface Datagram {
  /** Sent by the place that sniffs. */
  readonly out: boolean;
  /** Address, space, port. */
  readonly source: string;
  readonly target: string;
  /** Of the IP packet, in bytes. */
  readonly length: number;
  readonly payload: string;
}

export const messageType = ({ payload }: Datagram): number => Number.parseInt(payload.slice(0, 2), 16);
export const messageBytes = ({ payload }: Datagram): number => payload.length / 2;

/** A busy machine's sniffer tells what passed within this. */
const SETTLED_MS = 200;

/** Sees what passes a link from now on. */
export class Sniffer {
  readonly #job: Job;

  private constructor(job: Job) {
    this.#job = job;
  }

  /** `far` is the place at the other end of the link, whose end has the same name. */
  static async on(place: Place, link: string, far?: Place): Promise<Sniffer> {
    // Datagrams that are sent as one are to be seen as what they become.
    for (const end of [place, far]) await end?.run(`ethtool -K ${link} tx-udp-segmentation off`);
    const job = place.start(...python, helper("datagrams.py"), "sniff", link);
    await until("the sniffer is ready", 10_000, () => job.stdout.startsWith("ready\n"));
    return new Sniffer(job);
  }

  /** What has been told so far; what passed just now may be missing. */
  soFar(): Datagram[] {
    // The last line may be half of one.
    const lines = this.#job.stdout.split("\n").slice(1, -1);
    return lines.map((line) => JSON.parse(line));
  }

  /** All that has passed, once nothing more comes, or for two seconds of what does. */
  async seen(): Promise<Datagram[]> {
    let length = -1;
    for (let round = 0; round < 10 && length !== this.#job.stdout.length; round += 1) {
      length = this.#job.stdout.length;
      await delay(SETTLED_MS);
    }
    return this.soFar();
  }

  /** What was sent by the place that sniffs. */
  async sent(): Promise<Datagram[]> {
    return (await this.seen()).filter(({ out }) => out);
  }
}

/** Sends datagrams as they were, as often as `times`; with `source` as if they came from there. */
export async function resend(
  place: Place,
  datagrams: readonly Datagram[],
  { times = 1, source }: { times?: number; source?: string } = {},
): Promise<void> {
  const once = datagrams.map((one) => `${source ?? one.source} ${one.target} ${one.payload}\n`).join("");
  await place.run([...python, helper("datagrams.py"), "send"].join(" "), once.repeat(times));
}
