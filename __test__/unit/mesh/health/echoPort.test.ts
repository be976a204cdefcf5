import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../../src/core/clock.ts";
import { systemRandom } from "../../../../src/core/random.ts";
import type { IpAddress } from "../../../../src/core/types.ts";
import { EchoPort } from "../../../../src/mesh/health/echoPort.ts";

/** Loopback has many addresses; the port is the same on both sides. */
const ASKER = "127.0.0.2" as IpAddress;
const ASKED = "127.0.0.3" as IpAddress;
const PORT = 45_871;

let ports: EchoPort[];
let heard: string[];
beforeEach(async () => {
  heard = [];
  const asked = (from: string): void => void heard.push(from);
  ports = [ASKER, ASKED].map(() => new EchoPort({ clock: systemClock, random: systemRandom, asked }));
  await ports[0]?.open([ASKER], PORT);
  await ports[1]?.open([ASKED], PORT);
});
afterEach(() => {
  for (const port of ports) port.close();
});

test("a question costs three datagrams, and each side knows what it has sent", async () => {
  const [asker, asked] = ports;
  const answered = await asker?.ask({ from: ASKER, to: ASKED }, PORT, 5_000);
  expect(answered).toBe(true);
  // IPv4 and UDP are 28 bytes; `ask` and `seen` go one way, `yes` with both nonces the other.
  expect([asker?.sentBytes, asked?.sentBytes]).toEqual([28 + 21 + 28 + 22, 28 + 38]);
});
