import { expect, test } from "vitest";
import type { Endpoint, InterfaceName } from "../../../src/core/types.ts";
import { MemoryBackend } from "../../../src/wireguard/memoryBackend.ts";
import { MemoryWireguardPort } from "../../../src/wireguard/memoryWireguardPort.ts";
import { ReplaceableBackend } from "../../../src/wireguard/replaceableBackend.ts";
import { looksLikeWireguard } from "../../../src/wireguard/wireguardPort.ts";
import { keyOf } from "../mesh/peers.ts";

const interfaceName = "wg0" as InterfaceName;
const far: Endpoint = { host: "203.0.113.7", port: 3478 };

function memory(wireguardPort = true): { backend: MemoryBackend; port: MemoryWireguardPort } {
  const backend = new MemoryBackend({ interfaceName, publicKey: keyOf(1), wireguardPort });
  return { backend, port: backend.wireguardPort ?? new MemoryWireguardPort() };
}

test("a WireGuard message is told by its first four bytes", () => {
  for (const type of [1, 2, 3, 4]) expect(looksLikeWireguard(Buffer.from([type, 0, 0, 0, 9]))).toBe(true);
  for (const other of [[0, 0, 0, 0], [5, 0, 0, 0], [1, 1, 0, 0], [1, 0, 0, 1], [1, 0, 0], [4], []]) {
    expect(looksLikeWireguard(Buffer.from(other))).toBe(false);
  }
});

test("the port is the same one though the interface is replaced, and listeners stay", async () => {
  const [first, second] = [memory(), memory()];
  const backend = new ReplaceableBackend(interfaceName);
  expect(backend.wireguardPort).toBeNull();
  await backend.open(async () => first.backend);
  const port = backend.wireguardPort;
  const heard: string[] = [];
  const end = port?.onDatagram((data, from) => void heard.push(`${data.toString()} ${from.host}`));
  port?.send(Buffer.from("one"), far);
  first.port.receive(Buffer.from("1"), far);

  backend.discard();
  port?.send(Buffer.from("lost"), far);
  first.port.receive(Buffer.from("late"), far);
  expect(first.port.listenerCount).toBe(0);

  await backend.open(async () => second.backend);
  expect(backend.wireguardPort).toBe(port);
  port?.send(Buffer.from("two"), far);
  second.port.receive(Buffer.from("2"), far);
  end?.();
  second.port.receive(Buffer.from("3"), far);

  expect(heard).toEqual([`1 ${far.host}`, `2 ${far.host}`]);
  expect(first.port.sent.map(({ data }) => data.toString())).toEqual(["one"]);
  expect(second.port.sent).toEqual([{ data: Buffer.from("two"), to: far }]);
  backend.close(true);
  expect(second.port.listenerCount).toBe(0);
});

test("without the right there is none", async () => {
  const backend = new ReplaceableBackend(interfaceName);
  await backend.open(async () => memory(false).backend);
  expect(backend.wireguardPort).toBeNull();
});

test("the twin in memory hands on nothing that is WireGuard's", () => {
  const port = new MemoryWireguardPort();
  const heard: Buffer[] = [];
  port.onDatagram((data) => void heard.push(data));
  port.receive(Buffer.from([4, 0, 0, 0, 1]), far);
  port.send(Buffer.from([1, 0, 0, 0, 1]), far);
  expect([heard, port.sent]).toEqual([[], []]);
});
