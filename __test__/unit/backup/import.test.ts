/** Backups made, planned and committed on a real disk, with a crash between any two steps. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { commit, commitSteps, finishImport } from "../../../src/backup/commit.ts";
import { makeBackup } from "../../../src/backup/make.ts";
import { PARTS, type PartName } from "../../../src/backup/partNames.ts";
import { journalPath, type Places, placesOf } from "../../../src/backup/parts.ts";
import { planImport } from "../../../src/backup/plan.ts";
import type { Cidr, InterfaceName, IpAddress, PublicKey } from "../../../src/core/types.ts";
import { type NodeBackup, newBackup, readBackup, writeBackup } from "../../../src/identity/backupFile.ts";
import { loadNodeIdentity, saveNodeIdentity } from "../../../src/identity/nodeIdentity.ts";
import { encodeClients } from "../../../src/peers/clientsFile.ts";

const NOW_MS = 1_800_000_000_000;
const interfaceName = "wg0" as InterfaceName;
const facts = { made_at: "2026-11-21T00:00:00Z", wgmesh: "0.1.0", interface: "wg0" };
const all: ReadonlySet<PartName> = new Set(PARTS);

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-backup-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Node {
  readonly places: Places;
  readonly journal: string;
}

/** One client, named by the mark. */
const clientsText = (mark: number): string =>
  encodeClients({
    networks: { ipv4: "10.200.7.0/24" as Cidr, ipv6: null },
    clients: [
      {
        ...{ name: `phone${mark}`, ipv6: null, addedMs: NOW_MS },
        publicKey: Buffer.alloc(32, mark).toString("base64") as PublicKey,
        ip: "10.200.7.2" as IpAddress,
      },
    ],
  });

const clientLine = (mark: number): string =>
  `phone${mark} ${Buffer.alloc(32, mark).toString("base64")} 10.200.7.2`;

/** A node without files. */
function emptyNode(name: string): Node {
  const stateDir = path.join(folder, name, "state");
  const places = placesOf({ interfaceName, stateDir }, path.join(folder, name, "etc", "wg0.toml"));
  return { places, journal: journalPath({ interfaceName, stateDir }) };
}

/** A node whose every file has `mark` in it. */
function fullNode(name: string, mark: number): Node {
  const node = emptyNode(name);
  const { places } = node;
  for (const place of [places.identity, places.config]) mkdirSync(path.dirname(place), { recursive: true });
  saveNodeIdentity(loadNodeIdentity(places.identity), `10.1.0.${mark}`, null);
  const write = (place: string, text: string): void => writeFileSync(place, text, { mode: 0o600 });
  write(places.peers, `{"peers":null,"updated_at":${mark}}`);
  write(places.clients, clientsText(mark));
  write(places.reload, `advertise-routes=192.168.${mark}.0/24\n`);
  write(places.settings, `[interface]\nmtu = ${1400 + mark}\n`);
  write(places.config, `[interface]\nlisten-port = ${50_000 + mark}\n`);
  return node;
}

async function backupOf({ places }: Node): Promise<NodeBackup> {
  const { backup, missing } = await makeBackup(places, all, facts);
  expect(missing).toEqual([]);
  return backup;
}

const contents = ({ places }: Node): (string | null)[] =>
  PARTS.map((part) => (existsSync(places[part]) ? readFileSync(places[part], "utf8").trim() : null));

/** Everything a node's folders hold besides its six files. */
function strays({ places }: Node): string[] {
  const folders = new Set(PARTS.map((part) => path.dirname(places[part])));
  const known = new Set(PARTS.map((part) => path.basename(places[part])));
  return [...folders]
    .flatMap((place) => (existsSync(place) ? readdirSync(place) : []))
    .filter((file) => !known.has(file));
}

describe("a backup", () => {
  test("of a node that has every file, put on a fresh machine, gives the same files", async () => {
    const [one, other] = [fullNode("one", 1), emptyNode("other")];
    const file = path.join(folder, "backup.json");
    writeBackup(await backupOf(one), file, null);
    const backup = readBackup(file, null);
    const { parts, replacesIdentity } = await planImport(backup, other.places, null, NOW_MS);
    expect(parts.map(({ name, outcome }) => [name, outcome])).toEqual(PARTS.map((part) => [part, "new"]));
    expect(replacesIdentity).toBe(false);
    await commit(backup, parts, other.journal);
    expect(contents(other)).toEqual(contents(one));
    expect(strays(other)).toEqual([]);
    const again = await planImport(backup, other.places, null, NOW_MS);
    expect(again.parts.map(({ outcome }) => outcome)).toEqual(PARTS.map(() => "same"));
  });

  test("names the parts a node does not have, and has those that were asked for alone", async () => {
    const node = fullNode("one", 1);
    rmSync(node.places.reload);
    const { backup, missing } = await makeBackup(node.places, new Set(["peers", "reload"]), facts);
    expect(backup.parts).toEqual(["peers"]);
    expect(missing).toEqual(["reload"]);
  });

  test("of a file that others can write is refused", async () => {
    const node = fullNode("one", 1);
    chmodSync(node.places.peers, 0o666);
    await expect(makeBackup(node.places, all, facts)).rejects.toMatchObject({
      code: "ERR_STATE_PERMISSIONS",
    });
  });
});

describe("a plan", () => {
  test("names what a newer release has put into the backup, and takes the rest", async () => {
    const node = emptyNode("other");
    const backup = await backupOf(fullNode("one", 1));
    expect((await planImport(backup, node.places, null, NOW_MS)).unknown).toEqual([]);
    const newer = newBackup({ ...facts, machine: "desk" });
    newer.addText("reload", "advertise-routes=192.168.1.0/24\n");
    newer.addText("stars", '{"sirius":1}');
    const plan = await planImport(newer, node.places, null, NOW_MS);
    expect(plan.unknown).toEqual(["stars", "machine"]);
    expect(plan.parts.map(({ name }) => name)).toEqual(["reload"]);
  });

  test("tells what changes, and that another key would be lost", async () => {
    const [one, other] = [fullNode("one", 1), fullNode("other", 2)];
    const keyOf = ({ places }: Node): string => loadNodeIdentity(places.identity).publicKey;
    const plan = await planImport(await backupOf(one), other.places, null, NOW_MS);
    expect(plan.replacesIdentity).toBe(true);
    const changes = Object.fromEntries(plan.parts.map((part) => [part.name, part.changes]));
    expect(changes).toEqual({
      identity: [`key ${keyOf(other)} becomes ${keyOf(one)}`, "mesh IPv4 10.1.0.2 becomes 10.1.0.1"],
      peers: [],
      clients: [`- ${clientLine(2)}`, `+ ${clientLine(1)}`],
      reload: ["- advertise-routes=192.168.2.0/24", "+ advertise-routes=192.168.1.0/24"],
      settings: ["- mtu = 1402", "+ mtu = 1401"],
      config: ["- listen-port = 50002", "+ listen-port = 50001"],
    });
  });

  test("names everything that is wrong, and nothing has changed", async () => {
    const other = fullNode("other", 2);
    const before = contents(other);
    const backup = newBackup(facts);
    backup.addText("peers", '{"peers":[{"wg_pubkey":"short"}]}');
    backup.addText("clients", '{"version":2}');
    backup.addText("reload", "listen-port=1\n");
    backup.addText("config", "[interface]\nlisten-prt = 5\n");
    const planned = planImport(backup, other.places, null, NOW_MS);
    await expect(planned).rejects.toMatchObject({ code: "ERR_BACKUP" });
    await expect(planned).rejects.toThrow(
      /peers: 1 of 1 .*clients: its version is 2.*reload: .*listen-port.*config: .*listen-prt/,
    );
    expect(contents(other)).toEqual(before);
  });

  test("for a part that is not in the backup says which there are", async () => {
    const backup = newBackup(facts);
    backup.addText("peers", '{"peers":null}');
    const planned = planImport(backup, emptyNode("x").places, new Set(["reload"]), NOW_MS);
    await expect(planned).rejects.toThrow("the backup has no part reload; it has peers");
  });
});

describe("an import that dies after any step", () => {
  test("has changed nothing, or is finished by whoever comes next", async () => {
    const source = fullNode("source", 1);
    const backup = await backupOf(source);
    const outcomes: string[] = [];
    for (let steps = 0; ; steps += 1) {
      const node = fullNode(`node-${steps}`, 2);
      const before = contents(node);
      const { parts } = await planImport(backup, node.places, null, NOW_MS);
      const run = commitSteps(backup, parts, node.journal);
      let last = "nothing";
      let done = false;
      for (let step = 0; step < steps && !done; step += 1) {
        const { value, done: ended } = await run.next();
        if (ended === true) done = true;
        else last = value;
      }
      // Here the process dies: nobody cleans up.
      const counts = await finishImport(node.journal);
      const now = contents(node);
      expect(now, `after ${last}`).toEqual(counts || done ? contents(source) : before);
      outcomes.push(counts ? "finished" : done ? "done" : "unchanged");
      expect(existsSync(node.journal)).toBe(false);
      // The next import is not in the way of what the last one left.
      const again = await planImport(backup, node.places, null, NOW_MS);
      await commit(backup, again.parts, node.journal);
      expect(contents(node)).toEqual(contents(source));
      if (!counts && !done) expect(strays(node)).toEqual([]);
      if (done) break;
    }
    expect([...new Set(outcomes)]).toEqual(["unchanged", "finished", "done"]);
  });

  test("on a disk that takes no more leaves everything as it was", async () => {
    const [source, node] = [fullNode("source", 1), fullNode("node", 2)];
    const before = contents(node);
    const backup = await backupOf(source);
    const { parts } = await planImport(backup, node.places, null, NOW_MS);
    // The folder of the last part cannot be written to, root or not: its name is a file's.
    const bad = parts.map((part) =>
      part.name === "config" ? { ...part, path: "/dev/null/wg0.toml" } : part,
    );
    await expect(commit(backup, bad, node.journal)).rejects.toMatchObject({ code: "ERR_STATE_WRITE" });
    expect(contents(node)).toEqual(before);
    expect(strays(node)).toEqual([]);
  });

  test("a journal that says nothing is told of", async () => {
    const node = fullNode("node", 2);
    writeFileSync(node.journal, "{}", { mode: 0o600 });
    await expect(finishImport(node.journal)).rejects.toMatchObject({ code: "ERR_STATE_DAMAGED" });
  });
});
