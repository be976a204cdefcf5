import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../../src/core/clock.ts";
import { nodeAsk } from "../../../../src/discovery/netcheck/nodeAsk.ts";
import {
  findPortMapping,
  natPmpAddressRequest,
  pcpAnnounce,
  type Reply,
  readNatPmp,
  readPcp,
  readSsdp,
} from "../../../../src/discovery/netcheck/portMapping.ts";
import { seededRandom } from "../../support/seededRandom.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

describe("PCP (RFC 6887)", () => {
  test("the request", () => {
    expect(pcpAnnounce("192.168.1.2")).toEqual(hex("02 00 0000 00000000 00000000000000000000ffff c0a80102"));
    expect(pcpAnnounce("2001:db8::2").subarray(8)).toEqual(hex("20010db8000000000000000000000002"));
  });

  test.each<[string, string, string]>([
    ["success", "02 80 00 00 00000000 00000001 000000000000000000000000", "yes"],
    ["no ANNOUNCE, but PCP", "02 80 00 04 00000000 00000001 000000000000000000000000", "yes"],
    ["not allowed", "02 80 00 02 00000000 00000001 000000000000000000000000", "no"],
    ["NAT-PMP alone", "00 80 0001 00000001", "no"],
    ["cut short", "02 80 00 00 0000", "unknown"],
    ["our own request", "02 00 00 00 00000000 00000000000000000000ffff c0a80102", "unknown"],
    ["nothing", "", "unknown"],
  ])("%s", (_what, answer, state) => {
    expect(readPcp(hex(answer)).state).toBe(state);
  });
});

describe("NAT-PMP (RFC 6886)", () => {
  test("the request", () => {
    expect(natPmpAddressRequest()).toEqual(hex("0000"));
  });

  test.each<[string, string, string]>([
    ["an address", "00 80 0000 00000009 cb007109", "yes"],
    ["no address yet", "00 80 0000 00000009 00000000", "no"],
    ["refused", "00 80 0002 00000009", "no"],
    ["cut short", "00 80 0000 0000", "no"],
    ["PCP", "02 80 00 00", "unknown"],
    ["nothing", "", "unknown"],
  ])("%s", (_what, answer, state) => {
    expect(readNatPmp(hex(answer)).state).toBe(state);
  });

  test("the router's address is told", () => {
    expect(readNatPmp(hex("00 80 0000 00000009 cb007109")).detail).toContain("203.0.113.9");
  });
});

test("UPnP: the answer of a gateway, of something else, of nobody in particular", () => {
  const answer = (device: string) =>
    Buffer.from(`HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:${device}:1\r\n\r\n`);
  expect(readSsdp(answer("InternetGatewayDevice")).state).toBe("yes");
  expect(readSsdp(answer("MediaServer")).state).toBe("unknown");
  expect(readSsdp(Buffer.from("NOTIFY * HTTP/1.1\r\n\r\n")).state).toBe("unknown");
});

test("arbitrary answers break nothing", () => {
  const random = seededRandom("answers");
  for (let round = 0; round < 20_000; round += 1) {
    const data = random.bytes(Math.floor(random.unit() * 40));
    for (const read of [readPcp, readNatPmp, readSsdp]) expect(read(data).detail.length).toBeGreaterThan(0);
  }
});

describe("what comes of asking", () => {
  const asks = (reply: Reply) => findPortMapping(async () => reply, "192.168.1.1", "192.168.1.2");

  test("silence is unknown, a refusal is no", async () => {
    expect((await asks({ kind: "silent" })).pcp.state).toBe("unknown");
    const refused = await asks({ kind: "refused" });
    expect([refused.pcp.state, refused.nat_pmp.state, refused.upnp.state]).toEqual(["no", "no", "no"]);
  });

  test("without a router nobody is asked", async () => {
    const report = await findPortMapping(() => Promise.reject(new Error("asked")), null, null);
    expect(report.upnp).toEqual({ state: "unknown", detail: "no router: nobody to ask" });
  });
});

describe("over real sockets of this host", () => {
  const ask = nodeAsk(systemClock);

  test("a port where nobody listens refuses", async () => {
    const socket = createSocket("udp4").bind(0, "127.0.0.1");
    await once(socket, "listening");
    const { port } = socket.address();
    socket.close();
    expect(await ask({ host: "127.0.0.1", port }, hex("0000"))).toEqual({ kind: "refused" });
  });

  test("an answer from there comes back, one from elsewhere does not", async () => {
    const server = createSocket("udp4").bind(0, "127.0.0.1");
    const stranger = createSocket("udp4").bind(0, "127.0.0.1");
    onTestFinished(() => [server, stranger].forEach((socket) => void socket.close()));
    await Promise.all([once(server, "listening"), once(stranger, "listening")]);
    server.once("message", (_data, { port }) => {
      stranger.send("stranger", port, "127.0.0.1", () => server.send("server", port, "127.0.0.1"));
    });
    const reply = await ask({ host: "127.0.0.1", port: server.address().port }, hex("0000"));
    expect(reply).toEqual({ kind: "answer", data: Buffer.from("server") });
  });

  test("silence ends", async () => {
    const server = createSocket("udp4").bind(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    expect(await ask({ host: "127.0.0.1", port: server.address().port }, hex("0000"))).toEqual({
      kind: "silent",
    });
  });
});
