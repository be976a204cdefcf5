import { describe, expect, test } from "vitest";
import { silentLog } from "../../../src/core/log.ts";
import type { InterfaceName } from "../../../src/core/types.ts";
import { configurePort, portCandidates } from "../../../src/daemon/ports.ts";
import { MemoryBackend } from "../../../src/wireguard/memoryBackend.ts";
import { keyOf } from "../mesh/peers.ts";
import { MemoryLog } from "../support/memoryLog.ts";

const wish = { chosenPort: null, defaultPort: 51820, gossipPort: 51825 } as const;

function backendWith(portsInUse: Iterable<number>, boundPort = 0): MemoryBackend {
  const interfaceName = "wg0" as InterfaceName;
  return new MemoryBackend({
    interfaceName,
    publicKey: keyOf(0),
    boundPort,
    portsInUse: new Set(portsInUse),
  });
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe("portCandidates", () => {
  test("the wished port and the next 99, without those wgmesh binds itself", () => {
    const expected = range(51820, 51919).filter((port) => ![51825, 51826, 51830].includes(port));
    expect(portCandidates(51820, 51825)).toEqual(expected);
  });

  test("end where ports end", () => {
    expect(portCandidates(65530, 51825)).toEqual(range(65530, 65535));
  });
});

describe("configurePort", () => {
  test("takes the wished port when it is free, without a word", () => {
    const log = new MemoryLog();
    expect(configurePort(backendWith([]), wish, log)).toBe(51820);
    expect(log.lines).toEqual([]);
  });

  test("takes the next free one, skipping ours, and says so", () => {
    const log = new MemoryLog();
    const backend = backendWith(range(51820, 51824));
    expect(configurePort(backend, wish, log)).toBe(51827);
    expect(backend.listenPort()).toBe(51827);
    expect(log.lines).toMatchObject([{ level: "warn", fields: { wishedPort: 51820, port: 51827 } }]);
  });

  test("all in use: ERR_NO_PORT", () => {
    expect(() => configurePort(backendWith(range(51820, 51919)), wish, silentLog)).toThrow(
      expect.objectContaining({ code: "ERR_NO_PORT", exitCode: 8 }),
    );
  });

  test("an interface that existed keeps its port, unless one was chosen", () => {
    expect(configurePort(backendWith([], 40_000), wish, silentLog)).toBe(40_000);
    expect(configurePort(backendWith([], 40_000), { ...wish, chosenPort: 41_000 }, silentLog)).toBe(41_000);
  });

  test("a port lost later is not tried again", () => {
    expect(configurePort(backendWith([51821]), wish, silentLog, 51820)).toBe(51822);
  });

  test("another error ends the search", () => {
    const backend = backendWith([]);
    backend.configure = () => {
      throw new Error("EPERM");
    };
    expect(() => configurePort(backend, wish, silentLog)).toThrow("EPERM");
  });
});
