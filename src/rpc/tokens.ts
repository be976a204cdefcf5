/**
 * Who may call at the TCP listener: `NAME ROLE sha256:HEX` a line. The file holds no token, so whoever reads it is not let in. Tokens
 * are 256 bits of chance, which is why a plain hash is enough.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { WgmeshError } from "../core/errors.ts";
import { readSteeringFile } from "../core/files.ts";
import type { Random } from "../core/random.ts";
import type { Caller, Role } from "./caller.ts";

const TOKEN_BYTES = 32;
/** So that a token that lies about is known for what it is. */
const PREFIX = "wgmesh_";
const MAX_TOKENS = 1_000;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

interface TokenRow {
  readonly name: string;
  readonly role: Role;
  readonly hash: Buffer;
}

/** What each caller has shown. Not a member: whoever logs or audits a caller has no use for it. */
const shownHashes = new WeakMap<Caller, Buffer>();

const hashOf = (token: string): Buffer => createHash("sha256").update(token).digest();
const isRole = (text: string | undefined): text is Role => text === "admin" || text === "readonly";

export class Tokens {
  readonly #rows: readonly TokenRow[];

  private constructor(rows: readonly TokenRow[]) {
    this.#rows = rows;
  }

  /** Throws ERR_STATE_* for a file that is missing or that others can write, ERR_RELOAD for a line that cannot be used. */
  static async read(path: string): Promise<Tokens> {
    const text = await readSteeringFile(path);
    if (text === null) throw new WgmeshError("ERR_STATE_UNREADABLE", `${path} does not exist`);
    return Tokens.parse(text, path);
  }

  static parse(text: string, path: string): Tokens {
    const rows: TokenRow[] = [];
    for (const [index, line] of text.split("\n").entries()) {
      const content = line.replace(/#.*/, "").trim();
      if (content !== "") rows.push(parseLine(content, `${path}:${index + 1}`, rows));
    }
    if (rows.length > MAX_TOKENS) {
      throw new WgmeshError("ERR_RELOAD", `${path}: ${rows.length} tokens are more than ${MAX_TOKENS}`);
    }
    return new Tokens(rows);
  }

  /** The caller that the token stands for, or null. Takes as long for every token. */
  callerOf(token: string): Caller | null {
    const hash = hashOf(token);
    const found = this.#rowOf(hash);
    if (found === null) return null;
    const caller: Caller = { kind: "token", name: found.name, role: found.role };
    shownHashes.set(caller, hash);
    return caller;
  }

  /** Whether a caller that was let in before would be so today: with the same token, under the same name, in the same role. */
  stillHas(caller: Caller): boolean {
    const shown = shownHashes.get(caller);
    const today = shown === undefined ? undefined : this.#rowOf(shown);
    return caller.kind === "token" && today?.name === caller.name && today.role === caller.role;
  }

  #rowOf(hash: Buffer): TokenRow | null {
    let found: TokenRow | null = null;
    for (const row of this.#rows) if (timingSafeEqual(row.hash, hash)) found = row;
    return found;
  }
}

function parseLine(content: string, place: string, before: readonly TokenRow[]): TokenRow {
  const refuse = (reason: string): never => {
    throw new WgmeshError("ERR_RELOAD", `${place}: ${reason}`, {
      hint: "a line is NAME, admin or readonly, and sha256:HEX, as 'wgmesh token new' prints it",
    });
  };
  const [name = "", role, hash = "", ...rest] = content.split(/\s+/);
  if (!NAME.test(name)) return refuse(`${JSON.stringify(name)} is no name for a token`);
  if (!isRole(role)) return refuse(`${name} has no role`);
  const hex = /^sha256:([0-9a-f]{64})$/.exec(hash)?.[1];
  if (hex === undefined || rest.length > 0) return refuse(`${name} has no hash, or more than that`);
  if (before.some((row) => row.name === name)) return refuse(`${name} is there twice`);
  return { name, role, hash: Buffer.from(hex, "hex") };
}

/** A new token and its line in the file. Throws ERR_USAGE for a name that cannot be one. */
export function newToken(name: string, role: Role, random: Random): { token: string; line: string } {
  if (!NAME.test(name)) {
    throw new WgmeshError("ERR_USAGE", `${JSON.stringify(name)} is no name for a token`, {
      hint: "use letters, digits, '.', '_' and '-', at most 64",
    });
  }
  const token = PREFIX + Buffer.from(random.bytes(TOKEN_BYTES)).toString("base64url");
  return { token, line: `${name} ${role} sha256:${hashOf(token).toString("hex")}` };
}
