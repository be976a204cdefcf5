import { expect, test } from "vitest";
import type { InterfaceName } from "../../../src/core/types.ts";
import type { BackendEvent } from "../../../src/wireguard/backend.ts";
import { MemoryBackend } from "../../../src/wireguard/memoryBackend.ts";
import { ReplaceableBackend } from "../../../src/wireguard/replaceableBackend.ts";
import { keyOf } from "../mesh/peers.ts";

const interfaceName = "wg0" as InterfaceName;
const memory = (interfaceIndex: number) =>
  new MemoryBackend({ interfaceName, publicKey: keyOf(1), interfaceIndex });

test("stands for the interface there is now, and closes the one before", async () => {
  const [first, second] = [memory(7), memory(8)];
  const backend = new ReplaceableBackend(interfaceName);
  await backend.open(async () => first);
  backend.configure(51820);
  expect(backend).toMatchObject({ name: "kernel", interfaceIndex: 7, isOpen: true });
  await backend.open(async () => second);
  expect(first.closed).toEqual({ removed: true });
  expect(backend.interfaceIndex).toBe(8);
  backend.close(false);
  expect(second.closed).toEqual({ removed: false });
});

test("without an interface: its last name, index and port can be told, work is refused", async () => {
  const backend = new ReplaceableBackend(interfaceName);
  await backend.open(async () => memory(7));
  backend.configure(51820);
  await expect(backend.open(() => Promise.reject(new Error("no TUN")))).rejects.toThrow("no TUN");
  expect(backend).toMatchObject({ name: "kernel", interfaceIndex: 7, isOpen: false });
  expect(backend.listenPort()).toBe(51820);
  await expect(backend.read()).rejects.toMatchObject({ code: "ERR_SYSTEM" });
  await expect(backend.apply([])).rejects.toThrow("interface wg0 is not there");
  backend.close(true);
});

test("events of the present one reach every listener; those of one that was given up reach nobody", async () => {
  const [first, second] = [memory(7), memory(8)];
  const backend = new ReplaceableBackend(interfaceName);
  const heard: string[] = [];
  const listener = (who: string) => (event: BackendEvent) => void heard.push(`${who} ${event.type}`);
  await backend.open(async () => first);
  backend.onEvent(listener("a"));
  backend.onEvent(listener("b"));
  first.emit({ type: "notice", text: "" });
  await backend.open(async () => second);
  first.emit({ type: "failed", reason: "late" });
  second.emit({ type: "handshake", publicKey: keyOf(2) });
  expect(heard).toEqual(["a notice", "b notice", "a handshake", "b handshake"]);
});

test("one that is made while the daemon ends is removed at once", async () => {
  const late = memory(7);
  const backend = new ReplaceableBackend(interfaceName);
  let finish: (opened: MemoryBackend) => void = () => {};
  const opening = backend.open(
    () =>
      new Promise<MemoryBackend>((resolve) => {
        finish = resolve;
      }),
  );
  backend.close(true);
  finish(late);
  await expect(opening).rejects.toThrow("closed while it was made");
  expect(late.closed).toEqual({ removed: true });
});
