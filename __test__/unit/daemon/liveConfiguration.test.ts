import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { changesText } from "../../../src/cli/verbs/configChanges.ts";
import { loadConfiguration } from "../../../src/config/configuration.ts";
import { schema } from "../../../src/config/schema.ts";
import { silentEvents } from "../../../src/core/events.ts";
import { LiveConfiguration } from "../../../src/daemon/liveConfiguration.ts";
import { liveAppliers } from "../../../src/daemon/liveSettings.ts";
import { MemoryLog } from "../support/memoryLog.ts";

let folder: string;
let file: string;
let keptFile: string;
let reloadFile: string;
let told: string[];
/** The applier of this key fails. */
let failing: string | null;
let live: LiveConfiguration;

function write(text: string): void {
  writeFileSync(file, `[files]\nstate-dir = "${folder}"\n${text}`, { mode: 0o600 });
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wgmesh-live-"));
  file = join(folder, "node.toml");
  keptFile = join(folder, "wg0.settings.toml");
  reloadFile = join(folder, "wg0.reload");
  [told, failing] = [[], null];
  write("");
  const load = (kept?: string) => loadConfiguration({ flags: new Map(), env: {}, configFile: file }, kept);
  const targets = liveAppliers({
    self: {
      update: ({ introducer }) => void told.push(`introducer ${introducer}`),
    },
    networks: { setRoutes: (networks) => void told.push(`networks ${networks.join()}`) },
    reconciler: {
      setRoutePolicy: (policy) => void told.push(`routes ${policy}`),
      set: ({ keepaliveSeconds, sweepMs }) => void told.push(`reconciler ${keepaliveSeconds} ${sweepMs}`),
      request: () => {},
    },
    routing: { setExitNode: (wanted) => void told.push(`exit node ${wanted}`) },
    discovery: {
      setStaticPeers: (peers) => void told.push(`peers ${peers.map(({ host }) => host).join()}`),
      tune: (tuning) => void told.push(`tune ${JSON.stringify(tuning)}`),
    },
    store: { setMaxPeers: (maxPeers) => void told.push(`peers at most ${maxPeers}`) },
    setMemoryLimit: (bytes) => void told.push(`memory ${bytes}`),
    setLogLimits: ({ logMaxSize, logKeep }) => void told.push(`log files ${logMaxSize} ${logKeep}`),
    setLogLevel: (levels) => void told.push(`log ${levels}`),
  });
  const appliers = new Map(
    [...targets].map(([key, apply]) => [
      key,
      (...[options]: Parameters<typeof apply>) => {
        if (failing === key) {
          failing = null;
          throw new Error("no such luck");
        }
        apply(options);
      },
    ]),
  );
  live = new LiveConfiguration({
    source: { initial: load(), load },
    reloadFile,
    appliers,
    settle: async () => void told.push("settle"),
    notify: (state) => void told.push(state),
    log: new MemoryLog(),
    events: silentEvents,
  });
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const setting = (key: string) => live.shown().settings.find((shown) => shown.key === key);

test("every live setting has what makes it true, and nothing else has", () => {
  const nothing = {
    self: { update: () => {} },
    networks: { setRoutes: () => {} },
    reconciler: { setRoutePolicy: () => {}, set: () => {}, request: () => {} },
    routing: { setExitNode: () => {} },
    discovery: null,
    ...{ store: { setMaxPeers: () => {} }, setMemoryLimit: () => {} },
  };
  const appliers = liveAppliers({ ...nothing, setLogLevel: () => {}, setLogLimits: () => {} });
  const liveKeys = [...schema.values()].filter(({ reload }) => reload === "live").map(({ key }) => key);
  expect([...appliers.keys()].sort()).toEqual(liveKeys.sort());
});

describe("a change", () => {
  test("that fails half-way is taken back whole", async () => {
    failing = "log-level";
    const settings = { "advertise-routes": "10.0.0.0/8", "log-level": "debug" };
    await expect(live.set(settings, false)).rejects.toThrow("no such luck");
    expect(told).toEqual(["networks 10.0.0.0/8", "log info", "networks "]);
    expect(setting("advertise-routes")).toMatchObject({ value: [], origin: "default" });
    expect(setting("log-level")).toMatchObject({ value: "info", origin: "default" });
  });

  test("takes text as of a variable, and typed values as of the file", async () => {
    expect(await live.set({ peer: "a.example,b.example", "accept-routes": ["10.0.0.0/8"] }, false)).toEqual({
      changed: ["peer=a.example,b.example", "accept-routes=10.0.0.0/8"],
      restart: [],
      removed: [],
      warnings: [],
    });
    expect(told).toEqual(["peers a.example,b.example", "routes 10.0.0.0/8", "settle"]);
    await expect(live.set({ peer: 7 }, false)).rejects.toMatchObject({ hint: "write a list of texts" });
    await expect(live.set({ mtu: 1300.5 }, true)).rejects.toMatchObject({
      hint: "write an integer from 576 to 65535",
    });
    expect(await live.set({ mtu: 1300 }, true)).toMatchObject({ restart: ["mtu"] });
  });

  test("to the value that is there already changes nothing", async () => {
    expect(await live.set({ "log-level": "info" }, false)).toMatchObject({ changed: [] });
    expect(told).toEqual(["settle"]);
  });

  test("is one at a time", async () => {
    const both = [live.set({ "log-level": "debug" }, true), live.set({ peer: "a.example" }, true)];
    await Promise.all(both);
    const kept = readFileSync(keptFile, "utf8");
    expect(kept).toContain('log-level = "debug"');
    expect(kept).toContain('peer = ["a.example"]');
    await live.unset(["log-level", "peer"]);
    expect(existsSync(keptFile)).toBe(false);
    expect(setting("peer")).toMatchObject({ value: [], origin: "default" });
  });
});

test("the size and number of log files are live", async () => {
  expect(await live.set({ "log-max-size": "20000", "log-keep": 1 }, false)).toMatchObject({ restart: [] });
  expect(told).toEqual(["log files 20000 1", "log files 20000 1", "settle"]);
});

test("what discovery and the reconciler do is live", async () => {
  const settings = {
    gossip: "off",
    introducer: "true",
    "relay-limit": "1000000",
    "reconcile-interval": "2",
    "advertise-endpoint": "198.51.100.7:443",
  };
  expect(await live.set(settings, false)).toMatchObject({ restart: [] });
  expect([...told].sort()).toEqual([
    "introducer true",
    "reconciler undefined 2000",
    "settle",
    'tune {"advertised":{"host":"198.51.100.7","port":443}}',
    'tune {"gossip":"off"}',
    'tune {"relayLimitBytesPerSecond":1000000}',
  ]);
});

describe("what is taken back", () => {
  test("is told, whether it counts after a restart, at once, or changes no value", async () => {
    write("[interface]\nmtu = 1300\n");
    await live.reload();
    await live.set({ mtu: 1400 }, true);
    await live.set({ keepalive: 25 }, true);
    expect(await live.unset(["mtu", "keepalive", "peer"])).toEqual({
      changed: [],
      restart: ["mtu"],
      removed: ["mtu", "keepalive"],
      warnings: [],
    });
  });

  test.each([
    [{ changed: ["log-level=info"], restart: [], removed: ["log-level"] }, "changed: log-level=info\n"],
    [{ changed: [], restart: ["mtu"], removed: ["mtu"] }, "needs a restart: mtu\n"],
    [{ changed: [], restart: [], removed: ["mtu"] }, "taken back: mtu; what counts is the same\n"],
    [{ changed: [], restart: [], removed: [] }, "nothing changed\n"],
  ])("is said: %j", (change, text) => {
    expect(changesText(change)).toBe(text);
  });
});

describe("a reload", () => {
  test("of the file changes what is live; what was set stays set until it is taken back", async () => {
    await live.set({ "log-level": "error" }, false);
    write('[log]\nlog-level = "debug"\n[routes]\naccept-routes = "none"\n[interface]\nmtu = 1300\n');
    told = [];
    expect(await live.reload()).toEqual({ changed: ["accept-routes=none"], restart: ["mtu"], warning: null });
    expect(told).toEqual(["RELOADING=1", "routes none", "settle", "READY=1"]);
    expect(setting("log-level")).toMatchObject({ value: "error", origin: "set", next: "debug" });
    expect(await live.unset(["log-level"])).toMatchObject({ changed: ["log-level=debug"] });
    expect(setting("log-level")).toMatchObject({ origin: "file", from: `${file}:4` });
  });

  test("of the reload file wins over what was set before, and the other way round", async () => {
    await live.set({ "log-level": "error" }, false);
    writeFileSync(reloadFile, "log-level=warn\n", { mode: 0o600 });
    expect(await live.reload()).toMatchObject({ changed: ["log-level=warn"] });
    expect(setting("log-level")).toMatchObject({ origin: "reload", from: `${reloadFile}:1` });
    expect(await live.set({ "log-level": "debug" }, false)).toMatchObject({ changed: ["log-level=debug"] });
    expect(setting("log-level")).toMatchObject({ origin: "set" });
  });

  test("of a mistake in either file changes nothing", async () => {
    write("[routes]\naccept-routes = 'none'\n");
    writeFileSync(reloadFile, "log-level=loud\n", { mode: 0o600 });
    await expect(live.reload()).rejects.toMatchObject({ code: "ERR_RELOAD" });
    writeFileSync(reloadFile, "log-level=warn\n", { mode: 0o600 });
    write("[routes]\naccept-routes = 'no'\n");
    await expect(live.reload()).rejects.toThrow("accept-routes");
    expect(told).toEqual(["RELOADING=1", "READY=1", "RELOADING=1", "READY=1"]);
  });
});
