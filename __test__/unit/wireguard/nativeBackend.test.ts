import type { BesideDatagram } from "@wgmesh/native";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Cidr, endpointText, type PublicKey, parseEndpoint, parseIp } from "../../../src/core/types.ts";
import type { BackendEvent, PeerChange, WantedPeer } from "../../../src/wireguard/backend.ts";
import { NativeBackend, nativeChange } from "../../../src/wireguard/nativeBackend.ts";
import { fakeDevice, keys, nativeError } from "./fakeDevice.ts";

const publicKey = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=" as PublicKey;
const peer: WantedPeer = {
  publicKey,
  endpoint: { host: "2001:db8::1", port: 51820 },
  allowedIps: ["10.1.2.3/32" as Cidr],
  keepaliveSeconds: 25,
};
const whole = {
  publicKey,
  presharedKey: keys.presharedKey,
  endpoint: "[2001:db8::1]:51820",
  allowedIps: ["10.1.2.3/32"],
  keepaliveSeconds: 25,
};

const unseen = {
  publicKey,
  hasPresharedKey: true,
  presharedKeyChanged: false,
  allowedIps: [],
  keepaliveSeconds: 0,
  lastHandshakeMs: 0,
  rxBytes: 0,
  txBytes: 0,
};

describe("a change for the addon", () => {
  const table: readonly [what: string, change: PeerChange, expected: object][] = [
    ["add", { kind: "add", peer }, whole],
    ["retrigger", { kind: "retrigger", peer }, { ...whole, reset: true }],
    ["remove", { kind: "remove", publicKey }, { publicKey, remove: true }],
    ["update of nothing", { kind: "update", publicKey }, { publicKey, updateOnly: true }],
    [
      "update of all",
      {
        kind: "update",
        publicKey,
        endpoint: { host: "192.0.2.1", port: 1 },
        allowedIps: [],
        keepaliveSeconds: 0,
        presharedKey: "mesh",
      },
      {
        publicKey,
        updateOnly: true,
        presharedKey: keys.presharedKey,
        endpoint: "192.0.2.1:1",
        allowedIps: [],
        keepaliveSeconds: 0,
      },
    ],
  ];
  test.each(table)("%s", (_what, change, expected) => {
    expect(nativeChange(change, () => keys.presharedKey)).toEqual(expected);
  });

  test("a peer without an endpoint names none", () => {
    const change = nativeChange({ kind: "add", peer: { ...peer, endpoint: null } }, () => keys.presharedKey);
    expect(change).not.toHaveProperty("endpoint");
  });
});

describe("the backend", () => {
  test("says what the device is", () => {
    const backend = new NativeBackend(
      fakeDevice("embedded", { name: "mesh0", index: 9, adopted: true }),
      keys,
    );
    expect(backend).toMatchObject({
      name: "embedded",
      interfaceName: "mesh0",
      interfaceIndex: 9,
      adopted: true,
    });
  });

  test("gives the handles to the addon and brings failures back", async () => {
    const calls: unknown[] = [];
    const device = fakeDevice("kernel", {
      configure: ({ identity, ...rest }) => void calls.push([identity === keys.identity, rest]),
      apply: async (changes) => {
        calls.push(changes);
        return [{ publicKey, error: "EINVAL: cannot set peer" }];
      },
    });
    const backend = new NativeBackend(device, keys, 0x2a);
    backend.configure(51820);
    const failures = await backend.apply([{ kind: "remove", publicKey }]);
    expect(failures).toEqual([{ publicKey, reason: "EINVAL: cannot set peer" }]);
    expect(calls).toEqual([[true, { listenPort: 51820, fwmark: 0x2a }], [{ publicKey, remove: true }]]);
  });

  test("reads peers, endpoints as host and port", async () => {
    const state = (endpoint: string | null) => ({
      publicKey,
      hasPresharedKey: true,
      presharedKeyChanged: false,
      endpoint,
      allowedIps: ["10.1.2.3/32"],
      keepaliveSeconds: 25,
      lastHandshakeMs: 5,
      rxBytes: 1,
      txBytes: 2,
    });
    const peers = [state("[2001:db8::1]:7"), state(null), state("[fe80::1%2]:7")];
    const native = { publicKey, listenPort: 51820, fwmark: 0, peers };
    const read = await new NativeBackend(fakeDevice("kernel", { read: async () => native }), keys).read();
    expect(read).toMatchObject({ publicKey, listenPort: 51820 });
    expect(read.peers.map((actual) => actual.endpoint)).toEqual([
      { host: "2001:db8::1", port: 7 },
      null,
      null,
    ]);
    expect(read.peers[0]).toMatchObject({ publicKey, rxBytes: 1, txBytes: 2, lastHandshakeMs: 5 });
  });

  test("reads the addon's text of any endpoint as the checking reader does", async () => {
    const host = fc.oneof(
      fc.ipV4(),
      fc.ipV6().map((text) => parseIp(text) ?? "::"),
      fc.ipV4().map((text) => `::ffff:${text}`),
    );
    const endpoint = fc.record({ host, port: fc.integer({ min: 1, max: 65535 }) }).map(endpointText);
    await fc.assert(
      fc.asyncProperty(endpoint, async (text) => {
        const native = { publicKey, listenPort: 0, fwmark: 0, peers: [{ ...unseen, endpoint: text }] };
        const device = fakeDevice("kernel", { read: async () => native });
        const { peers } = await new NativeBackend(device, keys).read();
        expect(peers[0]?.endpoint).toEqual(parseEndpoint(text));
      }),
    );
  });

  test("hands events on as objects", () => {
    const seen: BackendEvent[] = [];
    const device = fakeDevice("embedded", {
      onEvent: (callback) => callback({ type: "handshake", publicKey }),
    });
    new NativeBackend(device, keys).onEvent((event) => seen.push(event));
    expect(seen).toEqual([{ type: "handshake", publicKey }]);
  });

  test("sends and hears beside WireGuard on its port", () => {
    const sent: unknown[] = [];
    let arrive: (datagram: BesideDatagram) => void = () => {};
    const device = fakeDevice("embedded", {
      onDatagram: (callback) => {
        arrive = callback;
      },
      sendDatagram: (host, port, data) => {
        if (host.includes("example")) throw nativeError("EINVAL");
        sent.push([host, port, Buffer.from(data).toString()]);
        return true;
      },
    });
    const port = new NativeBackend(device, keys).wireguardPort;
    const heard: unknown[] = [];
    const end = port?.onDatagram((data, from) => heard.push([data.toString(), from]));
    port?.send(Buffer.from("question"), { host: "203.0.113.1", port: 3478 });
    port?.send(Buffer.from("lost"), { host: "stun.example", port: 3478 });
    const answer = { data: Buffer.from("answer"), host: "2001:db8::1", port: 3478 };
    arrive(answer);
    end?.();
    arrive(answer);
    expect(sent).toEqual([["203.0.113.1", 3478, "question"]]);
    expect(heard).toEqual([["answer", { host: "2001:db8::1", port: 3478 }]]);
  });

  test("turns native errors into ours, with the native one as the cause", async () => {
    const inUse = nativeError("EADDRINUSE", "cannot bind UDP port 51820: Address already in use");
    const fail = (): never => {
      throw inUse;
    };
    const device = fakeDevice("kernel", { configure: fail, up: fail, read: async () => fail() });
    const backend = new NativeBackend(device, keys);
    const expected = {
      code: "ERR_NO_PORT",
      message: inUse.message,
      cause: expect.objectContaining({ code: "EADDRINUSE" }),
    };
    expect(() => backend.configure(51820)).toThrow(expect.objectContaining(expected));
    expect(() => backend.up()).toThrow(expect.objectContaining(expected));
    await expect(backend.read()).rejects.toMatchObject(expected);
  });
});
