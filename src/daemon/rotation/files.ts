/**
 * The files of a rotation, and what a start makes of them. The order in which they are written is what makes a rotation survive an end at any
 * instant: the secret first, then the state that counts on it; when the state counts on it no more, the secret goes last.
 */
import { existsSync, rmSync } from "node:fs";
import { rotationPath } from "../../config/paths.ts";
import { WgmeshError } from "../../core/errors.ts";
import { readSteeringFileSync, removeFile, writeFileAtomic } from "../../core/files.ts";
import type { MeshSecret } from "../../identity/derivation.ts";
import { commitmentOf, keepSecret, keptSecret } from "../../identity/meshIdentity.ts";
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
    ...{ secret: given, state: now, oldCommitment: givenCommitment, next: null, warning },
  });
  const { held } = state;
  if (held === null) return plain(state);
  if (givenCommitment === held.commitment) return plain(settled(state, nowMs));
  if (givenCommitment !== oldCommitment) {
    const warning =
      "this secret is of another mesh than the move to a new secret that was under way: that is forgotten";
    return plain({ ...state, phase: "idle", held: null, offers: [] }, warning);
  }
  const next = files.next();
  const there = next !== null && commitmentOf(next) === held.commitment;
  if (state.phase === "completed") {
    if (!there) throw lostSecret(files);
    return { secret: next, state, oldCommitment, next: null, warning: null };
  }
  if (there) return { secret: given, state, oldCommitment, next, warning: null };
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
