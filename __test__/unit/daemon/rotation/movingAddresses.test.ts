import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { InterfaceName } from "../../../../src/core/types.ts";
import { InterfaceSteps } from "../../../../src/daemon/interfaceSteps.ts";
import type { Identity, NodeParts } from "../../../../src/daemon/parts.ts";
import { beginningOf, RotationFiles } from "../../../../src/daemon/rotation/files.ts";
import type { Rotation } from "../../../../src/daemon/rotation/rotation.ts";
import { Supervisor } from "../../../../src/daemon/supervisor.ts";
import { keepSecret, type MeshIdentity } from "../../../../src/identity/meshIdentity.ts";
import { MemoryBackend } from "../../../../src/wireguard/memoryBackend.ts";
import { FakeInterface } from "../../mesh/fakeInterface.ts";
import { ManualClock } from "../../support/manualClock.ts";
import { MemoryLog } from "../../support/memoryLog.ts";
import { meshOf, OWN_KEY, startRotation } from "./rotationRig.ts";

const interfaceName = "wg0" as InterfaceName;
const [oldMesh, newMesh] = [meshOf("old-secret-00000001"), meshOf("new-secret-00000001")];
/** What an operator has put there. */
const OTHERS = { address: "192.0.2.77", prefixLength: 32 };

let folder: string;
let clock: ManualClock;
let supervisor: Supervisor;
let files: RotationFiles;
/** The kernel's: it outlives every daemon below. */
let link: FakeInterface;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-"));
  clock = new ManualClock();
  files = new RotationFiles({ interfaceName, stateDir: folder });
  link = new FakeInterface({ publicKey: OWN_KEY });
  link.addAddress(OTHERS);
});
afterEach(async () => {
  await end();
  rmSync(folder, { recursive: true, force: true });
});

/** Both addresses of a mesh, as the interface shows them. */
function addressesIn({ addresses }: MeshIdentity): string[] {
  return [addresses.meshIpv4(OWN_KEY, 0), addresses.meshIpv6(OWN_KEY)];
}

const there = (): string[] => link.addresses().map(({ address }) => address);

/** A daemon with the kernel's WireGuard, which finds the interface of the one before it. */
async function start(given: MeshIdentity): Promise<Rotation> {
  supervisor = new Supervisor(clock, new MemoryLog());
  const beginning = beginningOf(given.secret, files, clock.wallMs());
  const mesh = beginning.secret === given.secret ? given : newMesh;
  const identity = { publicKey: OWN_KEY, meshIp: null, meshIpv6: null } as Identity;
  const system = {
    interfaceControl: () => link,
    networkSettings: { read: () => "0" },
    addAddress: (_: string, cidr: string) => {
      const [address = "", length] = cidr.split("/");
      if (!there().includes(address)) link.addAddress({ address, prefixLength: Number(length) });
    },
  };
  const options = { interfaceName, ipv6: true, listenAddresses: [] };
  const parts = { options, system, log: new MemoryLog(), addresses: mesh.addresses };
  const openBackend = async (): Promise<MemoryBackend> =>
    new MemoryBackend({ interfaceName, publicKey: OWN_KEY, boundPort: 51_820 });
  const made = new InterfaceSteps({ ...parts, openBackend } as unknown as NodeParts, identity);
  for (const { name, run } of made.all) if (name === "interface" || name === "addresses") await run();
  const rig = { clock, supervisor, files, mesh, nextMesh: newMesh, beginning, made, control: link };
  const [rotation] = await startRotation(rig);
  return rotation;
}

/** As a kill does, and `wgmesh restart` after it has written its files. */
async function end(): Promise<void> {
  await supervisor.shutdown(0);
}

async function take(rotation: Rotation): Promise<void> {
  keepSecret(newMesh.secret, files.offeredPath);
  await rotation.take(3_600);
}

describe("an interface that outlives its daemon has exactly", () => {
  test.each([
    ["the old secret, as before", oldMesh],
    ["the new one", newMesh],
  ])("the addresses of the new mesh after a move and a restart with %s", async (_, given) => {
    const rotation = await start(oldMesh);
    expect(there()).toEqual([OTHERS.address, ...addressesIn(oldMesh)]);
    await take(rotation);
    await rotation.complete();
    // Connections go on until the daemon ends.
    expect(there()).toEqual([OTHERS.address, ...addressesIn(oldMesh), ...addressesIn(newMesh)]);
    await end();
    await start(given);
    expect(there()).toEqual([OTHERS.address, ...addressesIn(newMesh)]);
    expect(existsSync(files.addressesPath)).toBe(false);
  });

  test("those of the new mesh when it ended after the move was written down and before it was made", async () => {
    const rotation = await start(oldMesh);
    await take(rotation);
    const { state, oldCommitment } = files.record();
    await end();
    await files.write({ oldCommitment, state: { ...state, phase: "completed" } });
    await start(oldMesh);
    expect(there()).toEqual([OTHERS.address, ...addressesIn(newMesh)]);
  });

  test("those of both meshes after an end during the grace, and those of the old one after going back", async () => {
    await take(await start(oldMesh));
    await end();
    const rotation = await start(oldMesh);
    expect(new Set(there())).toEqual(
      new Set([OTHERS.address, ...addressesIn(oldMesh), ...addressesIn(newMesh)]),
    );
    await rotation.abort();
    expect(new Set(there())).toEqual(new Set([OTHERS.address, ...addressesIn(oldMesh)]));
    expect(existsSync(files.addressesPath)).toBe(false);
  });

  test("those of the old mesh when it ended before the new secret was kept", async () => {
    await take(await start(oldMesh));
    await end();
    // The state is written last.
    rmSync(files.statePath);
    await start(oldMesh);
    expect(there()).toEqual([OTHERS.address, ...addressesIn(oldMesh)]);
  });
});

test("a list of addresses that cannot be read takes nothing away", async () => {
  writeFileSync(files.addressesPath, "[{}, 7, ", { mode: 0o600 });
  await start(oldMesh);
  expect(there()).toEqual([OTHERS.address, ...addressesIn(oldMesh)]);
});
