import { MeshSecret } from "@wgmesh/native";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { registryPlace } from "../../../../src/config/registry.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import type { IpAddress } from "../../../../src/core/types.ts";
import { spreading } from "../../../../src/daemon/spreading.ts";
import { issueTitle, readIssueBody, writeIssueBody } from "../../../../src/discovery/registry/issueBody.ts";
import { IssueClient, type RegistryAccess } from "../../../../src/discovery/registry/issueClient.ts";
import type { RegistrySetting } from "../../../../src/discovery/registry/registry.ts";
import { seededRandom } from "../../support/seededRandom.ts";
import { vectors } from "../../support/vectors.ts";
import { GOSSIP_PORT, type TestNode, testAddresses, testKey, testSealer } from "../memoryMesh.ts";
import { useMemoryMesh } from "../useMemoryMesh.ts";
import { IssueServer } from "./issueServer.ts";

const TOKEN = "the token of the test";
const TITLE = "wgmesh-0011223344556677";
let server: IssueServer;

beforeEach(async () => {
  server = await IssueServer.open();
});

afterEach(() => server.close());

const access = (token: string | null): RegistryAccess => ({
  baseUrl: server.url,
  repository: "wgmesh-registry/public",
  token,
});

describe("vectors: registry", () => {
  interface Vector {
    readonly what: string;
    readonly secret: string;
    readonly title: string;
    readonly body: string;
    readonly now: number;
    readonly peer_keys: readonly string[];
  }

  test.each(vectors<Vector>("registry"))("$what", ({ secret: text, title, body, now, peer_keys }) => {
    const secret = MeshSecret.fromText(text);
    expect(issueTitle(secret.parameters().rendezvousId)).toBe(title);
    const keysAt = (seconds: number): string[] | null => {
      const found = readIssueBody(body, secret, seconds * 1000);
      return found && [found, ...found.knownPeers].map(({ publicKey }) => publicKey);
    };
    expect(keysAt(now)).toEqual(peer_keys);
    // Ours: a day, where the Go peer takes ten minutes.
    expect(keysAt(now + 24 * 3600 - 60)).toEqual(peer_keys);
    expect(keysAt(now + 24 * 3600 + 3600)).toBe(null);
    expect(keysAt(now - 3600)).toBe(null);
    expect(readIssueBody(body, MeshSecret.fromText("another secret of the tests"), now * 1000)).toBe(null);
  });
});

describe("a body", () => {
  const sealer = testSealer();
  const announcement = {
    publicKey: testKey("a"),
    hostname: "a",
    meshIp: "10.77.0.1" as IpAddress,
    meshIpv6: null,
    wgEndpoint: "8.8.4.4:51820",
    introducer: false,
    natType: "cone",
    networks: [],
    timestampSeconds: 1_767_225_600,
    knownPeers: [],
    observedEndpoint: "",
    instance: "",
  } as const;

  test("holds the sender and 49 others at most, and less than the service takes", () => {
    const knownPeers = Array.from({ length: 200 }, (_, number) => ({
      ...announcement,
      publicKey: testKey(`k${number}`),
      hostname: "h".repeat(60),
      wgEndpoint: "[2001:4860:4860::8844]:51820",
    }));
    const body = writeIssueBody({ ...announcement, knownPeers }, sealer, seededRandom("body"));
    expect(body.length).toBeLessThan(65_536);
    expect(readIssueBody(body, sealer, 1_767_225_600_000)?.knownPeers).toHaveLength(49);
  });

  test.each([
    ["nothing", ""],
    ["no end", "<!-- PEERS:\n{}"],
    ["marks in the wrong order", ":PEERS --> <!-- PEERS:"],
    ["not an envelope", "<!-- PEERS:\n[1,2]\n:PEERS -->"],
    ["marks that overlap", "<!-- PEERS:PEERS -->"],
  ])("of %s is none", (_what, body) => {
    expect(readIssueBody(body, sealer, 1_767_225_600_000)).toBe(null);
  });
});

describe("the client", () => {
  const never = new AbortController().signal;
  const client = (token: string | null = null): IssueClient =>
    new IssueClient(access(token), fetch, systemClock);

  test("finds the oldest issue of exactly the title, without a token", async () => {
    server.issues.push({ number: 1, title: `${TITLE}0`, body: "longer" });
    server.issues.push({ number: 2, title: TITLE, body: "this" }, { number: 3, title: TITLE, body: "later" });
    expect(await client().find(TITLE, never)).toEqual({ number: 2, title: TITLE, body: "this" });
    const [call] = server.calls;
    expect(call?.authorization).toBeUndefined();
    expect(new URL(call?.url ?? "", server.url).searchParams.get("q")).toBe(
      `${TITLE} in:title is:issue is:open repo:wgmesh-registry/public`,
    );
    expect(await client().find("wgmesh-ffffffffffffffff", never)).toBe(null);
  });

  test("writes only with a token, which is in no error", async () => {
    await expect(client().create(TITLE, "b", never)).rejects.toThrow("writing needs a token");
    expect(server.calls).toEqual([]);
    await client(TOKEN).create(TITLE, "b", never);
    await client(TOKEN).update(7, "c", never);
    expect(server.issues).toEqual([{ number: 7, title: TITLE, body: "c" }]);
    const refused = await client("a wrong one")
      .update(7, "d", never)
      .catch((error: Error) => error);
    expect(String(refused)).toContain("HTTP 401");
    expect(String(refused)).not.toContain("wrong one");
  });

  test.each([
    ["an answer without an end", "x".repeat(3 << 20), "longer than"],
    ["what is not JSON", "<html>", "not JSON"],
  ])("refuses %s", async (_what, text, message) => {
    server.instead = (_request, response) => void response.end(text);
    await expect(client().find(TITLE, never)).rejects.toThrow(message);
  });

  test.each([
    ["null"],
    ["[]"],
    [`{"items":7}`],
    [`{"items":[null,{"number":"1","title":"${TITLE}","body":1}]}`],
  ])("finds nothing in %s", async (text) => {
    server.instead = (_request, response) => void response.end(text);
    expect(await client().find(TITLE, never)).toBe(null);
  });

  test("goes where it is sent by nobody, and waits 15 s at most", async () => {
    server.instead = (_request, response) =>
      void response.writeHead(302, { location: "http://127.0.0.1:1/" }).end();
    await expect(client(TOKEN).find(TITLE, never)).rejects.toThrow();
    server.instead = () => {};
    const fast = {
      ...systemClock,
      after: (ms: number, call: () => void) => systemClock.after(ms / 100, call),
    };
    const slow = new IssueClient(access(null), fetch, fast);
    await expect(slow.find(TITLE, never)).rejects.toThrow("no answer within 15 s");
  });

  test("is told when to come back", async () => {
    server.instead = (_request, response) => void response.writeHead(429, { "retry-after": "90" }).end("{}");
    await expect(client().find(TITLE, never)).rejects.toMatchObject({
      message: "HTTP 429",
      retryInMs: 90_000,
    });
  });
});

describe("the layer", () => {
  const mesh = useMemoryMesh();

  const setting = (token: string | null): RegistrySetting => ({ access: access(token), title: TITLE, fetch });

  const start = (name: string, ip: string, token: string | null): Promise<TestNode> =>
    mesh.start(name, ip, { lan: false, registry: setting(token) });

  /** Time of the test and of the real server pass together. */
  async function until(condition: () => boolean, limitMs: number): Promise<void> {
    for (let passed = 0; !condition(); passed += 100) {
      if (passed > limitMs) throw new Error("not reached");
      await mesh.clock.advance(100);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  test("two strangers with nothing but the registry meet, hours after the one that can be reached has written", async () => {
    const writer = await start("writer", "8.8.4.4", TOKEN);
    await mesh.clock.advance(20_000);
    expect(server.issues).toEqual([]);
    writer.self.update({ externalHost: "8.8.4.4" as IpAddress });
    await until(() => server.issues.length === 1, 150_000);
    expect(server.issues[0]?.title).toBe(TITLE);
    expect(server.issues[0]?.body).not.toContain("8.8.4.4");
    // It falls silent towards the service; the entry ages.
    server.instead = (_request, response) => void response.writeHead(500).end();
    await mesh.clock.advance(5 * 3_600_000);
    server.instead = null;
    const reader = await start("reader", "9.9.9.9", null);
    await until(() => reader.store.get(writer.key) !== undefined, 30_000);
    expect(reader.store.get(writer.key)).toMatchObject({ proven: true, knowsUs: true });
    expect(server.calls.filter(({ authorization, method }) => method !== "GET" && !authorization)).toEqual(
      [],
    );
    const states = reader.discovery.layers().find(({ name }) => name === "registry");
    expect(states).toMatchObject({ state: "running", lastError: null });
  });

  test.each([
    ["another member too", false, 1],
    ["nobody else with --privacy", true, 0],
  ])("a writer names %s", async (_whom, isPrivate, others) => {
    const writer = await mesh.start("writer", "8.8.4.4", {
      lan: false,
      registry: setting(TOKEN),
      spreading: spreading(isPrivate, GOSSIP_PORT),
    });
    writer.self.update({ externalHost: "8.8.4.4" as IpAddress });
    const member = testKey("member");
    writer.store.observe({
      publicKey: member,
      method: "dht",
      hostname: "member",
      meshIp: testAddresses.meshIpv4(member, 0) as IpAddress,
      endpoint: { host: "9.9.9.9", port: 51_820 },
      sentAtSeconds: Math.floor(mesh.clock.wallMs() / 1000),
    });
    await until(() => server.issues.length === 1, 150_000);
    const found = readIssueBody(server.issues[0]?.body ?? "", testSealer(), mesh.clock.wallMs());
    expect(found?.publicKey).toBe(writer.key);
    expect(found?.knownPeers).toHaveLength(others);
  });

  test("what it holds is asked, never believed: nobody in it is known until it answers", async () => {
    const victims = Array.from({ length: 49 }, (_, number) => ({
      publicKey: testKey(`v${number}`),
      hostname: "",
      meshIp: testAddresses.meshIpv4(testKey(`v${number}`), 0) as IpAddress,
      meshIpv6: null,
      wgEndpoint: number === 0 ? "10.77.1.1:51820" : number === 1 ? "192.168.1.1:53" : `9.9.${number}.1:53`,
      introducer: false,
      natType: "" as const,
    }));
    const body = writeIssueBody(
      {
        ...(victims[5] as (typeof victims)[number]),
        networks: [],
        timestampSeconds: Math.floor(mesh.clock.wallMs() / 1000),
        knownPeers: victims,
        observedEndpoint: "",
        instance: "",
      },
      testSealer(),
      seededRandom("lies"),
    );
    server.issues.push({ number: 1, title: TITLE, body });
    const reader = await start("reader", "9.9.9.9", null);
    await until(() => mesh.network.sent.length > 0, 30_000);
    await mesh.clock.advance(20_000);
    expect(reader.store.size).toBe(0);
    // Only public addresses, only the control port, and no more than one HELLO's sends to each.
    const targets = new Map<string, number>();
    for (const { to } of mesh.network.sent) targets.set(to, (targets.get(to) ?? 0) + 1);
    expect(targets.size).toBe(47);
    for (const [to, count] of targets) {
      expect(to).toMatch(new RegExp(`^9\\.9\\..*:${GOSSIP_PORT}$`));
      expect(count).toBeLessThanOrEqual(6);
    }
  });

  test("a service that fails is asked ever more rarely, and says so in the status", async () => {
    server.instead = (_request, response) => void response.writeHead(503).end("no");
    const reader = await start("reader", "9.9.9.9", null);
    for (let minute = 0; minute < 240; minute += 1) {
      await mesh.clock.advance(60_000);
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    expect(server.calls.length).toBeGreaterThanOrEqual(5);
    expect(server.calls.length).toBeLessThan(25);
    expect(reader.discovery.layers().find(({ name }) => name === "registry")).toMatchObject({
      state: "degraded",
      lastError: "HTTP 503",
    });
  });
});

describe("the place", () => {
  test("is GitHub's, without a token, unless the environment says otherwise", () => {
    expect(registryPlace({})).toEqual({
      baseUrl: "https://api.github.com",
      repository: "wgmesh-registry/public",
      token: null,
    });
    const env = {
      WGMESH_REGISTRY_URL: "https://ghe.example/api/v3/",
      WGMESH_REGISTRY_REPOSITORY: "ops/mesh",
      GITHUB_TOKEN: TOKEN,
    };
    expect(registryPlace(env)).toEqual({
      baseUrl: "https://ghe.example/api/v3",
      repository: "ops/mesh",
      token: TOKEN,
    });
    expect(registryPlace({ WGMESH_REGISTRY_URL: "http://127.0.0.1:8080" }).baseUrl).toBe(
      "http://127.0.0.1:8080",
    );
  });

  test.each([
    [{ WGMESH_REGISTRY_URL: "http://ghe.example" }],
    [{ WGMESH_REGISTRY_URL: "ftp://127.0.0.1" }],
    [{ WGMESH_REGISTRY_URL: "https://user@ghe.example" }],
    [{ WGMESH_REGISTRY_URL: "https://ghe.example/?x=1" }],
    [{ WGMESH_REGISTRY_URL: "nonsense" }],
    [{ WGMESH_REGISTRY_REPOSITORY: "a/b/c" }],
    [{ WGMESH_REGISTRY_REPOSITORY: "../x" }],
  ])("of %j is refused", (env) => {
    expect(() => registryPlace(env)).toThrow(expect.objectContaining({ code: "ERR_USAGE" }));
  });
});
