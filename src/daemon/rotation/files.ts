/**
 * The files of a rotation, and what a start makes of them. The order in which they are written is what makes a rotation survive an end at any
 * instant: the secret first, then the state that counts on it; when the state counts on it no more, the secret goes last.
 */
import { existsSync, rmSync } from "node:fs";
import { rotationPath } from "../../config/paths.ts";
import { WgmeshError } from "../../core/errors.ts";
import { readSteeringFileSync, removeFile, writeFileAtomic } from "../../core/files.ts";
import { parseIp } from "../../core/types.ts";
import type { MeshSecret } from "../../identity/derivation.ts";
import { commitmentOf, keepSecret, keptSecret } from "../../identity/meshIdentity.ts";
import type { InterfaceAddress } from "../../mesh/interfaceDifference.ts";
import { NO_ROTATION, type RotationRecord, readRotationFile, rotationFileText } from "../../rotation/file.ts";
import { type RotationState, rotate } from "../../rotation/state.ts";

type StateLocation = Parameters<typeof rotationPath>[0];

/** Each call reads or writes at once what it names. */
export class RotationFiles {
  readonly #location: StateLocation;

  constructor(location: StateLocation) {
    this.#location = location;
  }

  /** Where root, or the daemon's user, hands a secret over. */
  get offeredPath(): string {
    return rotationPath(this.#location, "offered-secret");
  }

  get nextPath(): string {
    return rotationPath(this.#location, "next-secret");
  }

  get statePath(): string {
    return rotationPath(this.#location, "rotation.json");
  }

  /** Throws ERR_STATE_DAMAGED, ERR_STATE_PERMISSIONS, ERR_STATE_UNREADABLE. */
  record(): RotationRecord {
    const text = readSteeringFileSync(this.statePath);
    return text === null ? NO_ROTATION : readRotationFile(text, this.statePath);
  }

  get addressesPath(): string {
    return rotationPath(this.#location, "rotation-addresses.json");
  }

  /** The addresses that this node has, or is about to have, on its interface while it is in two meshes. Rejects with ERR_STATE_WRITE. */
  async noteAddresses(addresses: readonly InterfaceAddress[]): Promise<void> {
    await writeFileAtomic(this.addressesPath, `${JSON.stringify(addresses, null, 2)}\n`, 0o600);
  }

  /** Empty when none are noted, or what is there cannot be read. Throws ERR_STATE_PERMISSIONS, ERR_STATE_UNREADABLE. */
  notedAddresses(): InterfaceAddress[] {
    const text = readSteeringFileSync(this.addressesPath);
    if (text === null) return [];
    try {
      const noted = JSON.parse(text) as InterfaceAddress[];
      return noted.filter(
        ({ address, prefixLength }) => parseIp(address) !== null && Number.isInteger(prefixLength),
      );
    } catch {
      return [];
    }
  }

  async dropAddresses(): Promise<void> {
    if (existsSync(this.addressesPath)) await removeFile(this.addressesPath);
  }

  async write(record: RotationRecord): Promise<void> {
    await writeFileAtomic(this.statePath, rotationFileText(record), 0o600);
  }

  /** The new secret counts beside the old one. One step after the other; an end is a caller that stops in between. */
  async *keepSteps(secret: MeshSecret, record: RotationRecord): AsyncGenerator<string> {
    keepSecret(secret, this.nextPath);
    yield "secret kept";
    await this.write(record);
    yield "state written";
    this.dropOffered();
    yield "offer removed";
  }

  /** The new secret counts no more. */
  async *dropSteps(record: RotationRecord): AsyncGenerator<string> {
    await this.write(record);
    yield "state written";
    await this.dropNext();
    yield "secret removed";
  }

  next(): MeshSecret | null {
    return keptSecret(this.nextPath);
  }

  /** What was handed over. Throws ERR_ROTATION when there is nothing. */
  offered(): MeshSecret {
    const secret = keptSecret(this.offeredPath);
    if (secret !== null) return secret;
    throw new WgmeshError("ERR_ROTATION", "no secret was handed over", {
      hint: "run 'wgmesh rotate-secret' on this machine, as root or as the user that runs wgmeshd",
    });
  }

  async dropNext(): Promise<void> {
    if (existsSync(this.nextPath)) await removeFile(this.nextPath);
  }

  dropOffered(): void {
    rmSync(this.offeredPath, { force: true });
  }
}

/** With which secret a node begins, and how far it is. */
export interface Beginning {
  readonly secret: MeshSecret;
  readonly state: RotationState;
  /** Of the secret that was given. */
  readonly oldCommitment: string;
  /** Null unless the node has two. */
  readonly next: MeshSecret | null;
  /** The node completed a move by itself: what it knew of the mesh before counts no more. */
  readonly isMoved: boolean;
  /** A sentence for the operator, or null. */
  readonly warning: string | null;
}

/**
 * @param given the secret that the node is started with: after a move it may still be the old one, which then does not count.
 * Changes no file. Throws ERR_STATE_*, ERR_SECRET_FILE, ERR_ROTATION when the secret that counts is lost.
 */
export function beginningOf(given: MeshSecret, files: RotationFiles, nowMs: number): Beginning {
  const { state, oldCommitment } = files.record();
  const givenCommitment = commitmentOf(given);
  const plain = (now: RotationState, warning: string | null = null): Beginning => ({
    ...{ secret: given, state: now, oldCommitment: givenCommitment, next: null, isMoved: false, warning },
  });
  const { held } = state;
  if (held === null) return plain(state);
  const isMoved = state.phase === "completed";
  if (givenCommitment === held.commitment) return { ...plain(settled(state, nowMs)), isMoved };
  if (givenCommitment !== oldCommitment) {
    const warning =
      "this secret is of another mesh than the move to a new secret that was under way: that is forgotten";
    return plain({ ...state, phase: "idle", held: null, offers: [] }, warning);
  }
  const next = files.next();
  const there = next !== null && commitmentOf(next) === held.commitment;
  if (isMoved) {
    if (!there) throw lostSecret(files);
    return { secret: next, state, oldCommitment, next: null, isMoved, warning: null };
  }
  if (there) return { secret: given, state, oldCommitment, next, isMoved, warning: null };
  return plain(
    { ...state, phase: "idle", held: null },
    `${files.nextPath} is not there: give this node the new secret again, with 'wgmesh rotate-secret --accept'`,
  );
}

/** The operator has put the new secret where the node gets its secret: the rotation is over here. */
function settled(state: RotationState, nowMs: number): RotationState {
  const completed = rotate(state, { kind: "complete" }, nowMs);
  const done = typeof completed === "string" ? state : completed.state;
  const step = rotate(done, { kind: "settled" }, nowMs);
  return typeof step === "string" ? done : step.state;
}

function lostSecret(files: RotationFiles): WgmeshError {
  return new WgmeshError(
    "ERR_ROTATION",
    `the mesh has moved to a new secret, and ${files.nextPath}, which had it, is not there`,
    { hint: "start the node with the new secret: --secret-file FILE" },
  );
}
