import { describe, expect, test } from "vitest";
import { type HandshakePeer, type HandshakeState, stepHandshakes } from "../../../src/mesh/handshake.ts";
import { keyOf } from "./peers.ts";

const LOWER = keyOf(1);
const US = keyOf(2);
const HIGHER = keyOf(3);
const START_WALL_MS = 1_000_000_000;

/** One peer watched over time. */
class Watch {
  /** When it was retriggered, in milliseconds since the start. */
  readonly retriggers: number[] = [];
  wakeAtMs: number | null = null;
  peer: HandshakePeer;
  #state: HandshakeState = new Map();
  #nowMs = 0;

  constructor(publicKey: HandshakePeer["publicKey"], change: Partial<HandshakePeer> = {}) {
    this.peer = {
      publicKey,
      hasEndpoint: true,
      knowsUs: false,
      instance: "a",
      lastSeenMs: START_WALL_MS,
      lastHandshakeMs: 0,
      ...change,
    };
  }

  set(change: Partial<HandshakePeer>): this {
    this.peer = { ...this.peer, ...change };
    return this;
  }

  get wallMs(): number {
    return START_WALL_MS + this.#nowMs;
  }

  /** Steps on until `untilMs`; the peer speaks at each step when `talking`. */
  run(untilMs: number, { stepMs = 50, talking = false } = {}): this {
    for (; this.#nowMs <= untilMs; this.#nowMs += stepMs) {
      if (talking) this.set({ lastSeenMs: this.wallMs });
      const now = { wallMs: this.wallMs, monotonicMs: this.#nowMs };
      const step = stepHandshakes(this.#state, [this.peer], US, now);
      this.#state = step.state;
      this.wakeAtMs = step.wakeAtMs;
      if (step.retrigger.length > 0) this.retriggers.push(this.#nowMs);
    }
    return this;
  }
}

describe("stepHandshakes", () => {
  test("a peer that does not know us yet is left to itself", () => {
    expect(new Watch(HIGHER).run(10_000, { talking: true }).retriggers).toEqual([]);
  });

  test("the lower key retriggers after 300 ms, the higher after 900 ms", () => {
    expect(new Watch(HIGHER, { knowsUs: true }).run(800).retriggers).toEqual([300]);
    expect(new Watch(LOWER, { knowsUs: true }).run(1_000).retriggers).toEqual([900]);
  });

  test("it tells when the next attempt is due", () => {
    expect(new Watch(HIGHER, { knowsUs: true }).run(0).wakeAtMs).toBe(300);
  });

  test("then 1, 2, 4, 8 s later while the peer goes on talking", () => {
    const watch = new Watch(HIGHER, { knowsUs: true }).run(20_000, { talking: true });
    expect(watch.retriggers).toEqual([300, 1_300, 3_300, 7_300, 15_300]);
  });

  test("the pause never exceeds a minute", () => {
    const { retriggers } = new Watch(HIGHER, { knowsUs: true }).run(600_000, { talking: true, stepMs: 100 });
    const pauses = retriggers.slice(1).map((atMs, index) => atMs - (retriggers[index] ?? 0));
    expect(Math.max(...pauses)).toBe(60_000);
  });

  test("a silent peer gets one attempt, and another when it speaks again", () => {
    const watch = new Watch(HIGHER, { knowsUs: true }).run(30_000);
    expect(watch.retriggers).toEqual([300]);
    expect(watch.wakeAtMs).toBeNull();
    watch.set({ lastSeenMs: watch.wallMs }).run(30_100);
    expect(watch.retriggers).toHaveLength(2);
  });

  test("without an endpoint there is nowhere to send to", () => {
    const watch = new Watch(HIGHER, { knowsUs: true, hasEndpoint: false });
    expect(watch.run(5_000, { talking: true }).retriggers).toEqual([]);
  });

  test("a handshake ends the wait", () => {
    const watch = new Watch(HIGHER, { knowsUs: true }).run(200);
    watch.set({ lastHandshakeMs: watch.wallMs }).run(20_000, { talking: true });
    expect(watch.retriggers).toEqual([]);
  });

  test("a peer with a handshake under 180 s old is never retriggered; with an older one it is", () => {
    const watch = new Watch(HIGHER, { knowsUs: true, lastHandshakeMs: START_WALL_MS });
    expect(watch.run(179_000, { stepMs: 1_000 }).retriggers).toEqual([]);
    expect(watch.run(181_000).retriggers).toHaveLength(1);
  });

  test("a restarted peer is retriggered after 400 ms although its old session is fresh", () => {
    const watch = new Watch(HIGHER, { knowsUs: true, lastHandshakeMs: START_WALL_MS - 5_000 }).run(1_000);
    watch.set({ instance: "b" }).run(1_600);
    expect(watch.retriggers).toEqual([1_450]);
  });

  test("a restarted peer that shakes hands by itself is not", () => {
    const watch = new Watch(HIGHER, { knowsUs: true, lastHandshakeMs: START_WALL_MS - 5_000 }).run(1_000);
    watch.set({ instance: "b" }).run(1_100);
    watch.set({ lastHandshakeMs: watch.wallMs }).run(5_000);
    expect(watch.retriggers).toEqual([]);
  });

  test("its handshake may have come just before its first word", () => {
    const watch = new Watch(HIGHER, { knowsUs: true }).run(100);
    watch.set({ lastHandshakeMs: watch.wallMs }).run(200);
    watch.set({ instance: "b" }).run(5_000);
    expect(watch.retriggers).toEqual([]);
  });

  test("a Go node, which tells no instance, never counts as restarted", () => {
    const watch = new Watch(HIGHER, { instance: "", lastHandshakeMs: START_WALL_MS }).run(1_000);
    watch.set({ instance: "b" }).run(3_000);
    watch.set({ instance: "" }).run(6_000);
    expect(watch.retriggers).toEqual([]);
  });

  test("peers that left are forgotten", () => {
    const now = { wallMs: START_WALL_MS, monotonicMs: 0 };
    const { state } = stepHandshakes(new Map(), [new Watch(HIGHER).peer], US, now);
    expect(state.size).toBe(1);
    expect(stepHandshakes(state, [], US, now).state.size).toBe(0);
  });
});
