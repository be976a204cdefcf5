/**
 * The kernel backend at scale, judged by `wg`. Runs inside the VM; `$WGMESH_SCALE` says how much of it (see scale.test.ts).
 */
import assert from "node:assert/strict";
import { endpointText } from "../../../src/core/types.ts";
import type { WantedPeer } from "../../../src/wireguard/backend.ts";
import { type Cases, note } from "../cases.ts";
import { churn } from "./churn.ts";
import { cycles } from "./cycles.ts";
import { daemonCore } from "./daemonCore.ts";
import { traced } from "./netlinkTrace.ts";
import { pingWhileOthersChange } from "./ping.ts";
import { longLists, MOVED_PEERS, nodes, stepsOf } from "./population.ts";
import { Subject } from "./subject.ts";
import { assertHolds, wgDump } from "./wg.ts";

export interface Extent {
  readonly sizes: readonly number[];
  /** Of the mesh whose peers change while a ping runs through one. */
  readonly pingedPeers: number;
  /** Of the mesh that is reconciled by the daemon's own reconciler; its store holds 1,000. */
  readonly reconciledPeers: number;
  /** How often an interface is made, configured and closed. */
  readonly cycles: number;
}

/** What is read is what `wg` shows, peer by peer. */
async function assertReadsAsWg({ backend, name }: Subject): Promise<void> {
  const { peers } = await backend.read();
  const dumped = wgDump(name);
  assert.equal(peers.length, dumped.size, "a peer whose listing was cut is one peer");
  for (const peer of peers) {
    const seen = dumped.get(peer.publicKey);
    assert.ok(seen, peer.publicKey);
    assert.equal(peer.endpoint === null ? "(none)" : endpointText(peer.endpoint), seen.endpoint);
    assert.deepEqual([...peer.allowedIps].sort(), seen.allowedIps);
    assert.equal(peer.hasPresharedKey, seen.presharedKey !== "(none)");
    assert.equal(peer.keepaliveSeconds === 0 ? "off" : `${peer.keepaliveSeconds}`, seen.keepalive);
  }
}

let interfaces = 0;

/** A new interface, removed also when the case fails. */
function withSubject(body: (subject: Subject) => Promise<void>): () => Promise<void> {
  return async () => {
    interfaces += 1;
    const subject = new Subject(`wgs${interfaces}`);
    try {
      await body(subject);
    } finally {
      subject.close();
    }
  };
}

function holdsAtEveryStep(peers: readonly WantedPeer[]): () => Promise<void> {
  return withSubject(async (subject) => {
    for (const { name, wanted } of stepsOf(peers)) {
      const changes = await subject.sync(wanted);
      assertHolds(subject.name, wanted);
      await assertReadsAsWg(subject);
      if (name === "nothing") assert.equal(changes, 0);
      if (name === "move endpoints") assert.equal(changes, Math.min(MOVED_PEERS, peers.length));
    }
  });
}

const reading: Cases = {
  "a listing that was begun and left is in nobody's way": withSubject(async (subject) => {
    // Asking for the port reads the first message of the listing only; 300 peers take several.
    await subject.sync(nodes(300));
    for (let round = 0; round < 50; round += 1) {
      subject.backend.listenPort();
      assert.equal((await subject.backend.read()).peers.length, 300);
    }
  }),

  "a listing that peers come into and go from meanwhile is read again": withSubject(async (subject) => {
    const { dumps, reads } = await churn(subject);
    note(`${reads} readings of 300 peers while others came and went took ${dumps} listings`);
    assert.ok(dumps > reads, `${dumps} listings for ${reads} readings`);
  }),
};

export function casesOf({ sizes, pingedPeers, reconciledPeers, cycles: count }: Extent): Cases {
  const bySize = sizes.map((size) => [
    `${size} peers: all, nothing, 10 endpoints, allowed IPs moved, half removed; nothing is lost, doubled or left`,
    holdsAtEveryStep(nodes(size)),
  ]);
  return {
    ...Object.fromEntries(bySize),
    "2,000 allowed IPs of each family on one peer: the same": holdsAtEveryStep(longLists()),
    ...reading,

    "with nothing to change nothing is written": withSubject(async (subject) => {
      const wanted = nodes(100);
      await subject.sync(wanted);
      const quiet = await traced(async () => {
        assert.equal(await subject.sync(wanted), 0);
      });
      assert.deepEqual(quiet.written, []);
      assert.ok(quiet.asked.length > 0, "the listing was seen");
      const busy = await traced(async () => {
        assert.equal(await subject.sync(wanted.slice(1)), 1);
      });
      assert.equal(busy.written.length, 1, "what is written would be seen");
    }),

    "the reconciler writes nothing when nothing is to change": withSubject(async (subject) => {
      const core = await daemonCore(subject);
      for (let number = 1; number <= reconciledPeers; number += 1) core.meet(number, 1000 + number);
      const first = await core.reconciler.runOnce();
      assert.equal(first.error, null);
      assert.equal(wgDump(subject.name).size, reconciledPeers);
      const second = await core.reconciler.runOnce();
      assert.deepEqual([second.changes, second.error], [0, null]);
      note(
        `a cycle with ${reconciledPeers} peers and nothing to change: ${Math.round(second.durationMs)} ms`,
      );
      const quiet = await traced(async () => {
        for (let cycle = 0; cycle < 3; cycle += 1) {
          const { changes, error } = await core.reconciler.runOnce();
          assert.deepEqual([changes, error], [0, null]);
        }
      });
      assert.deepEqual(quiet.written, []);
      core.meet(1, 4242);
      const busy = await traced(async () => {
        assert.equal((await core.reconciler.runOnce()).changes, 1);
      });
      assert.ok(busy.written.length > 0, "what is written would be seen");
      assert.deepEqual(core.log.of("foreign change mended"), []);
    }),

    "a ping through one peer loses nothing while all others come, move and go": withSubject((subject) =>
      pingWhileOthersChange(subject, pingedPeers),
    ),

    "interfaces come and go and leave nothing": async () => {
      await cycles(count);
    },
  };
}

/** Which extent the VM is to run; the host makes its tests from the same. */
export const cases: Cases = casesOf(JSON.parse(process.env.WGMESH_SCALE ?? '{"sizes":[]}'));
