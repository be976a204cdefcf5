import { expect, test } from "vitest";
import type { IpAddress } from "../../../src/core/types.ts";
import { listenOn } from "../../../src/discovery/listenSockets.ts";
import type { UdpBinding, UdpSocket, UdpSocketFactory } from "../../../src/discovery/udpSocket.ts";

const handlers = { datagram() {}, error() {} };
const any6: UdpBinding = { family: "udp6", address: "::", port: 7_000 };
const any4: UdpBinding = { family: "udp4", address: "0.0.0.0", port: 7_000 };

/** What was bound, sent and closed, in order. */
function recorder(refused: string | null = null) {
  const did: string[] = [];
  const bind: UdpSocketFactory = async ({ family, address, port }) => {
    if (address === refused) throw Object.assign(new Error("taken"), { code: "EADDRINUSE" });
    did.push(`bind ${family} ${address} ${port}`);
    const socket: UdpSocket = {
      send: (_data, toPort, to) => void did.push(`${address} to ${to} ${toPort}`),
      joinGroup() {},
      sendMulticastVia() {},
      close: () => void did.push(`close ${address}`),
    };
    return socket;
  };
  return { did, bind };
}

const of = (...addresses: string[]) => addresses as IpAddress[];

test("without addresses everything is bound as it is asked for", () => {
  const { bind } = recorder();
  expect(listenOn([], bind)).toBe(bind);
});

test("a socket of both families becomes one of each, and each sends what is its own", async () => {
  const { did, bind } = recorder();
  const socket = await listenOn(of("192.0.2.1", "2001:db8::1"), bind)(any6, handlers);
  socket.send(Buffer.from("x"), 9, "::ffff:203.0.113.1", () => {});
  socket.send(Buffer.from("x"), 9, "2001:db8::9", () => {});
  socket.close();
  expect(did).toEqual([
    "bind udp6 2001:db8::1 7000",
    "bind udp4 192.0.2.1 7000",
    "192.0.2.1 to 203.0.113.1 9",
    "2001:db8::1 to 2001:db8::9 9",
    "close 2001:db8::1",
    "close 192.0.2.1",
  ]);
});

test("a family without an address is missing as on a host without it", async () => {
  const { did, bind } = recorder();
  const four = listenOn(of("192.0.2.1"), bind);
  await expect(four(any6, handlers)).rejects.toMatchObject({ code: "EADDRNOTAVAIL" });
  await four(any4, handlers);
  const six = listenOn(of("2001:db8::1"), bind);
  await expect(six(any4, handlers)).rejects.toMatchObject({ code: "EADDRNOTAVAIL" });
  expect(did).toEqual(["bind udp4 192.0.2.1 7000"]);
});

test("a port that is taken on one of them leaves nothing open", async () => {
  const { did, bind } = recorder("192.0.2.1");
  const opening = listenOn(of("192.0.2.1", "2001:db8::1"), bind)(any6, handlers);
  await expect(opening).rejects.toMatchObject({ code: "EADDRINUSE" });
  expect(did).toEqual(["bind udp6 2001:db8::1 7000", "close 2001:db8::1"]);
});

test("what asks for one address, such as that of a group, gets it", async () => {
  const { did, bind } = recorder();
  await listenOn(of("192.0.2.1"), bind)({ family: "udp4", address: "239.1.2.3", port: 5 }, handlers);
  expect(did).toEqual(["bind udp4 239.1.2.3 5"]);
});
