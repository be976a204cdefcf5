import { EventEmitter } from "node:events";
import { describe, expect, test } from "vitest";
import { Signals } from "../../../src/daemon/signals.ts";

function setUp() {
  const source = new EventEmitter();
  return { source, signals: new Signals(source) };
}

describe("Signals", () => {
  test.each(["SIGINT", "SIGTERM"])("%s asks to stop, a second one to hurry", (name) => {
    const { source, signals } = setUp();
    expect(signals.stopSignal.aborted).toBe(false);
    source.emit(name);
    expect([signals.stopSignal.aborted, signals.hurrySignal.aborted]).toEqual([true, false]);
    source.emit("SIGTERM");
    expect(signals.hurrySignal.aborted).toBe(true);
  });

  test("SIGHUP reloads each time; one that comes too early is kept", () => {
    const { source, signals } = setUp();
    let reloads = 0;
    source.emit("SIGHUP");
    signals.onReload(() => {
      reloads += 1;
    });
    expect(reloads).toBe(1);
    source.emit("SIGHUP");
    source.emit("SIGHUP");
    expect(reloads).toBe(3);
  });

  test("without a SIGHUP nothing reloads", () => {
    const { signals } = setUp();
    signals.onReload(() => expect.unreachable());
  });

  test("a handover is a stop that leaves the place to a successor, until somebody wants the end", () => {
    const { source, signals } = setUp();
    signals.handOver(true);
    expect([signals.stopSignal.aborted, signals.handsOver]).toEqual([true, true]);
    source.emit("SIGTERM");
    expect([signals.hurrySignal.aborted, signals.handsOver]).toEqual([true, false]);
  });

  test("a handover that is asked for during a stop changes nothing", () => {
    const { source, signals } = setUp();
    source.emit("SIGTERM");
    signals.handOver(true);
    expect([signals.hurrySignal.aborted, signals.handsOver]).toEqual([false, false]);
  });

  test("SIGUSR1 opens the log anew", () => {
    const { source, signals } = setUp();
    source.emit("SIGUSR1");
    let reopened = 0;
    signals.onReopen(() => {
      reopened += 1;
    });
    source.emit("SIGUSR1");
    expect(reopened).toBe(1);
  });

  test("close gives the signals back", () => {
    const { source, signals } = setUp();
    signals.close();
    expect(source.eventNames()).toEqual([]);
  });
});
