/**
 * Moves a running node to a new mesh secret (row E7): keeps the state of src/rotation/state.ts on the disk, and makes it true.
 *
 * A change counts once it is on the disk. Taking the new secret opens the second mesh first and writes then, so that one that cannot be opened
 * was never taken; completing writes first and moves then, since it must not come back. docs/rotation.md tells it to operators.
 */
import { messageOf, WgmeshError } from "../../core/errors.ts";
import { Pacemaker } from "../../core/pacemaker.ts";
import { type MeshIdentity, meshIdentity } from "../../identity/meshIdentity.ts";
import { type RotationEvent, type RotationState, rotate } from "../../rotation/state.ts";
import type { RotationNotice } from "../../wire/rotation.ts";
import type { RunningNode } from "../lifecycle.ts";
import type { NodeParts } from "../parts.ts";
import type { Supervisor } from "../supervisor.ts";
import { adoptPeers } from "./adoptPeers.ts";
import type { RotationControl, RotationStatus } from "./control.ts";
import type { Beginning, RotationFiles } from "./files.ts";
import type { Meshes } from "./meshes.ts";
import { MovingAddresses } from "./movingAddresses.ts";
import type { MovingDiscovery } from "./movingDiscovery.ts";
import { openNextProbe } from "./nextProbe.ts";
import { NoticeBoard } from "./noticeBoard.ts";
import { problem } from "./problem.ts";
import { SecondMesh } from "./secondMesh.ts";
import { ANNOUNCED, standingText } from "./standing.ts";

/** How often the second mesh is looked at, the end of the grace, and what could not be opened. */
const TICK_MS = 2_000;
/** How often it is looked whether what is announced is too old. */
const OFFERS_MS = 60_000;
/** A thief can announce as fast as he likes; that is passed on no faster than this. */
const SPREAD_MS = 10_000;
const TROUBLE = "rotation";

export interface RotationOptions {
  readonly files: RotationFiles;
  readonly meshes: Meshes;
  readonly discovery: MovingDiscovery;
  readonly beginning: Beginning;
}

interface Attached {
  readonly parts: NodeParts;
  readonly node: RunningNode;
  readonly supervisor: Supervisor;
  readonly pacemaker: Pacemaker;
  readonly addresses: MovingAddresses;
}

export class Rotation implements RotationControl {
  readonly #options: RotationOptions;
  readonly #board: NoticeBoard;
  #state: RotationState;
  #oldCommitment: string;
  #attached: Attached | null = null;
  #second: SecondMesh | null = null;
  #spreadAtMs = Number.NEGATIVE_INFINITY;
  /** Monotonic. */
  #tickAtMs = 0;
  /** One change at a time. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: RotationOptions) {
    this.#options = options;
    this.#state = options.beginning.state;
    this.#oldCommitment = options.beginning.oldCommitment;
    this.#board = new NoticeBoard();
  }

  /** Once the node runs, and before anybody can call it. Rejects with ERR_STATE_WRITE. */
  async attach(parts: NodeParts, node: RunningNode, supervisor: Supervisor): Promise<void> {
    const pacemaker = new Pacemaker(parts.clock, {
      nextAtMs: () => this.#nextAtMs(),
      act: (nowMs) => this.#tick(nowMs),
    });
    const { files, beginning } = this.#options;
    const addresses = new MovingAddresses(parts, node.made, files);
    this.#attached = { parts, node, supervisor, pacemaker, addresses };
    this.#tickAtMs = parts.clock.monotonicMs();
    if (beginning.warning !== null) parts.log.warn({}, beginning.warning);
    if (files.record().state.phase !== this.#state.phase) await this.#write(this.#state);
    files.dropOffered();
    if (this.#state.phase === "idle") await files.dropNext();
    if (this.#state.phase !== "accepted") await addresses.removeLeft();
    if (this.#state.phase === "accepted" && beginning.next !== null) {
      // One that cannot be opened now, since its port is taken, is tried again.
      await this.#hold(this.#identityOf(beginning.next)).catch((error: unknown) => this.#failed(error));
    }
    this.#tellStanding();
    supervisor.start("rotation", "restart", (signal) => pacemaker.run(signal));
  }

  notices(): readonly RotationNotice[] {
    const attached = this.#attached;
    if (attached === null) return [];
    const nowMs = attached.parts.clock.wallMs();
    return this.#board.notices(this.#state, this.#options.meshes.current.membership, nowMs);
  }

  heard(notices: readonly RotationNotice[]): void {
    const attached = this.#attached;
    if (attached === null) return;
    const { clock } = attached.parts;
    for (const notice of notices) {
      const event = this.#board.read(notice, this.#options.meshes, this.#state, clock.wallMs());
      if (event === null) continue;
      const outcome = rotate(this.#state, event, clock.wallMs());
      if (typeof outcome === "string" || outcome.state === this.#state) continue;
      if (event.kind === "abort") this.#soon(() => this.#apply(event));
      else if (outcome.effects.length === 0) this.#state = outcome.state;
      else this.#soon(() => this.#apply(event));
    }
  }

  get isMoved(): boolean {
    return this.#options.beginning.isMoved;
  }

  status(): RotationStatus {
    const holders = this.#second?.holders() ?? [];
    return {
      state: this.#state,
      has: new Set(holders.map(({ publicKey }) => publicKey)),
      next: this.#second?.mesh.parameters ?? null,
    };
  }

  take(graceSeconds: number | null): Promise<void> {
    return this.#next(() => this.#take(graceSeconds));
  }

  complete(): Promise<void> {
    return this.#next(() => this.#apply({ kind: "complete" }));
  }

  abort(): Promise<void> {
    return this.#next(async () => {
      const { parts } = this.#running();
      const { next } = this.#options.meshes;
      const atSeconds = Math.floor(parts.clock.wallMs() / 1000);
      const commitment = Buffer.from(next?.commitment ?? "", "base64");
      const signature = next?.membership.signAbort(commitment, atSeconds).toString("base64") ?? "";
      await this.#apply({ kind: "abort", atMs: atSeconds * 1000, signature });
    });
  }

  async #take(graceSeconds: number | null): Promise<void> {
    const { files, meshes } = this.#options;
    const { parts } = this.#running();
    try {
      const mesh = this.#identityOf(files.offered());
      this.#check(mesh);
      const { commitment } = mesh;
      const event: RotationEvent =
        graceSeconds === null ? { kind: "accept", commitment } : { kind: "accept", commitment, graceSeconds };
      const outcome = rotate(this.#state, event, parts.clock.wallMs());
      if (typeof outcome === "string") throw problem(outcome);
      if (outcome.effects.length === 0) return;
      this.#oldCommitment = meshes.current.commitment;
      await this.#hold(mesh);
      try {
        const record = { oldCommitment: this.#oldCommitment, state: outcome.state };
        for await (const _ of files.keepSteps(mesh.secret, record));
      } catch (error) {
        await this.#release();
        await files.dropNext().catch(() => {});
        throw error;
      }
      this.#state = outcome.state;
      this.#tellStanding();
      this.#options.discovery.announce();
      parts.log.info({}, "this node has the new secret too");
    } finally {
      files.dropOffered();
    }
  }

  #check(mesh: MeshIdentity): void {
    const { current } = this.#options.meshes;
    if (mesh.commitment === current.commitment)
      throw new WgmeshError("ERR_ROTATION", "this is the secret the mesh has");
    if (mesh.parameters.gossipPort !== current.parameters.gossipPort) return;
    throw new WgmeshError("ERR_ROTATION", "this secret gives the same control port as the present one", {
      hint: "take another one; of a thousand secrets one does",
    });
  }

  /** On the disk first, then true. */
  async #apply(event: RotationEvent): Promise<void> {
    const { parts } = this.#running();
    const outcome = rotate(this.#state, event, parts.clock.wallMs());
    if (typeof outcome === "string") throw problem(outcome);
    if (outcome.state === this.#state) return;
    const record = { oldCommitment: this.#oldCommitment, state: outcome.state };
    if (event.kind === "abort") for await (const _ of this.#options.files.dropSteps(record));
    else await this.#options.files.write(record);
    this.#state = outcome.state;
    for (const effect of outcome.effects) {
      if (effect === "complete") await this.#move();
      if (effect === "release") {
        await this.#release();
        parts.log.info({}, "the move to the new secret is aborted");
        this.#options.discovery.announce();
      }
      if (effect === "announced") this.#spread();
    }
    this.#tellStanding();
  }

  async #hold(mesh: MeshIdentity): Promise<void> {
    const { parts, node, supervisor, addresses } = this.#running();
    const second = new SecondMesh(mesh, parts, node, this.#options.discovery);
    this.#options.meshes.setNext(mesh);
    node.meshNetworks.push(...second.networks);
    node.underlay.setMeshNetworks(node.meshNetworks);
    this.#second = second;
    try {
      // The addresses are there before anybody is told of them.
      await addresses.add(second);
      node.reconciler.setMoving(second);
      await second.start();
    } catch (error) {
      await this.#release();
      throw error;
    }
    openNextProbe(parts, second, supervisor);
  }

  /** Undoes {@link #hold}. */
  async #release(): Promise<void> {
    const { parts, node, addresses } = this.#running();
    const second = this.#second;
    this.#second = null;
    this.#options.meshes.setNext(null);
    if (second === null) return;
    node.reconciler.setMoving(null);
    await second.stop();
    await addresses.remove(second, [node.self.snapshot.meshIp, node.self.snapshot.meshIpv6]);
    const networks = new Set(second.networks);
    const { meshSubnet, meshIpv6Prefix } = parts.addresses;
    const kept = node.meshNetworks.filter(
      (network) => !networks.has(network) || network === meshSubnet || network === meshIpv6Prefix,
    );
    node.meshNetworks.splice(0, node.meshNetworks.length, ...new Set(kept));
    node.underlay.setMeshNetworks(node.meshNetworks);
  }

  /** The old secret is dropped. Tunnels, and the addresses that connections use, stay. */
  async #move(): Promise<void> {
    const { parts, node } = this.#running();
    const { meshes, discovery } = this.#options;
    const second = this.#second;
    if (second === null)
      throw new WgmeshError("ERR_ROTATION", "the new secret is not in use yet", {
        hint: "ask again in a moment",
      });
    this.#second = null;
    const { meshIp, meshIpv6 } = second.self.snapshot;
    await second.stop();
    // Nothing of what is new may be told to the mesh that is left: there it would be a withdrawal of what was said.
    await discovery.pause();
    // All at once, so that the reconciler sees the mesh before or after.
    const former = node.made.addressesOf(node.self.snapshot, meshes.current.addresses);
    meshes.move();
    node.made.setMore(former);
    node.made.setChoice({ meshIp, meshIpv6, replaced: [] });
    node.self.update({ meshIp, meshIpv6 });
    node.reconciler.setMoving(adoptPeers(node.store, second));
    this.#pin(node);
    await node.remembered.forgetLost().catch((error: unknown) => {
      parts.log.warn(
        { reason: messageOf(error) },
        "the peers of the mesh before are not forgotten on the disk yet",
      );
    });
    await this.#speak();
    parts.log.info({ networkId: meshes.facts.networkId }, "the mesh has moved to the new secret");
  }

  /** What cannot be written is derived again at the next start. */
  #pin({ self, saveAddresses }: RunningNode): void {
    try {
      saveAddresses(self.snapshot.meshIp, self.snapshot.meshIpv6);
    } catch (error) {
      this.#running().parts.log.warn(
        { reason: messageOf(error) },
        "the new mesh addresses are not written down",
      );
    }
  }

  /** Null while there is nothing whose time may come: a node that does not move costs nothing. */
  #nextAtMs(): number | null {
    const { phase, offers } = this.#state;
    const moves = phase === "accepted" || this.#second !== null || this.#options.discovery.paused;
    if (moves) return this.#tickAtMs + TICK_MS;
    return offers.length > 0 ? this.#tickAtMs + OFFERS_MS : null;
  }

  async #tick(nowMs: number): Promise<void> {
    this.#tickAtMs = nowMs;
    await this.#next(async () => {
      if (this.#options.discovery.paused) await this.#speak();
      await this.#resume();
      this.#second?.tick();
      await this.#apply({ kind: "time" });
    }).catch((error: unknown) => this.#failed(error));
    // Which of two keys a pair uses goes by the time.
    if (this.#second !== null) this.#running().node.reconciler.request();
  }

  async #speak(): Promise<void> {
    const { current } = this.#options.meshes;
    await this.#options.discovery.resume(current, {
      sealer: current.secret,
      membership: current.membership,
    });
  }

  /** What could not be opened at the start. */
  async #resume(): Promise<void> {
    if (this.#state.phase !== "accepted" || this.#second !== null) return;
    const secret = this.#options.files.next();
    if (secret === null) return;
    await this.#hold(this.#identityOf(secret));
    this.#tellStanding();
  }

  #failed(error: unknown): void {
    const { parts } = this.#running();
    parts.troubles.raise(TROUBLE, `the new secret is not in use: ${messageOf(error)}; tried again every 2 s`);
  }

  /** One sentence in `status` while something is to be done. */
  #tellStanding(): void {
    const { parts, node } = this.#running();
    const text = standingText(this.#state, this.#options.files.nextPath, node.clients.list().length);
    if (text === null) parts.troubles.clear(TROUBLE);
    else parts.troubles.raise(TROUBLE, text);
  }

  #spread(): void {
    const { parts } = this.#running();
    parts.log.warn({}, ANNOUNCED);
    const nowMs = parts.clock.monotonicMs();
    if (nowMs - this.#spreadAtMs < SPREAD_MS) return;
    this.#spreadAtMs = nowMs;
    this.#options.discovery.announce();
  }

  #identityOf(secret: MeshIdentity["secret"]): MeshIdentity {
    return meshIdentity(secret, this.#running().parts.options.meshSubnet);
  }

  #write(state: RotationState): Promise<void> {
    return this.#options.files.write({ oldCommitment: this.#oldCommitment, state });
  }

  #next<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(action).finally(() => this.#attached?.pacemaker.wake());
    this.#tail = result.catch(() => {});
    return result;
  }

  #soon(action: () => Promise<void>): void {
    this.#next(action).catch((error: unknown) => this.#failed(error));
  }

  #running(): Attached {
    if (this.#attached === null) throw new TypeError("the node does not run yet");
    return this.#attached;
  }
}
