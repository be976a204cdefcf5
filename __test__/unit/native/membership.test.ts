import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  generateSecret,
  loadKeptSecret,
  Membership,
  MeshSecret,
  saveSecret,
  secretCommitment,
} from "@wgmesh/native";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { vectors } from "../support/vectors.ts";

const OLD = "old-secret-00000001";
const NEW = "new-secret-00000001";
const of = (text: string): MeshSecret => MeshSecret.fromText(text);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("vectors through the bindings", () => {
  test("membership_tokens and membership_validity: those of a secret that is known", () => {
    const known = vectors<{ input: string; derived: { membership_key_hex: string } }>("secrets");
    let checked = 0;
    for (const vector of vectors<{
      hour: number;
      membership_key_hex: string;
      pubkey_bytes_hex: string;
      token_hex: string;
      what: string;
    }>("membership_tokens")) {
      const mesh = known.find(({ derived }) => derived.membership_key_hex === vector.membership_key_hex);
      // Raw bytes of a key are no text, which is all that the binding takes.
      if (mesh === undefined || vector.pubkey_bytes_hex.length === 64) continue;
      const key = Buffer.from(vector.pubkey_bytes_hex, "hex").toString();
      const token = new Membership(of(mesh.input)).token(key, vector.hour);
      expect(token.toString("hex"), vector.what).toBe(vector.token_hex);
      checked += 1;
    }
    expect(checked).toBeGreaterThan(5);
    const members = new Membership(of(OLD));
    for (const { offset_hours = 0, length = 32, valid } of vectors<{
      offset_hours?: number;
      length?: number;
      valid: boolean;
    }>("membership_validity")) {
      const token = members.token("key", 490_896 + offset_hours).subarray(0, length);
      expect(members.isToken("key", token, 490_896)).toBe(valid);
    }
  });

  test("rotation: the commitment to the new secret", () => {
    for (const { new_secret, new_secret_hash_hex } of vectors<Record<string, string>>("rotation")) {
      expect(secretCommitment(of(String(new_secret))).toString("hex")).toBe(new_secret_hash_hex);
    }
  });
});

describe("what is signed", () => {
  const commitment = secretCommitment(of(NEW));

  test("an announcement is checked by every member of the old mesh, and by nobody else", () => {
    const signature = new Membership(of(OLD)).signRotation(commitment, 3600, 1_767_225_600);
    expect(new Membership(of(OLD)).isRotation(commitment, 3600, 1_767_225_600, signature)).toBe(true);
    expect(new Membership(of(OLD)).isRotation(commitment, 3601, 1_767_225_600, signature)).toBe(false);
    expect(new Membership(of(NEW)).isRotation(commitment, 3600, 1_767_225_600, signature)).toBe(false);
  });

  test("an abort is checked by whoever has the new secret", () => {
    const signature = new Membership(of(NEW)).signAbort(commitment, 5);
    expect(new Membership(of(NEW)).isAbort(commitment, 5, signature)).toBe(true);
    expect(new Membership(of(OLD)).isAbort(commitment, 5, signature)).toBe(false);
  });

  test("a commitment of another length is a mistake", () => {
    const members = new Membership(of(OLD));
    expect(() => members.signRotation(Buffer.alloc(31), 1, 1)).toThrow(
      expect.objectContaining({ code: "EINVAL" }),
    );
  });
});

describe("a secret that is kept", () => {
  test("comes back as it was, from a file that only its owner can read", () => {
    const file = path.join(folder, "wg0.next-secret");
    const secret = generateSecret();
    saveSecret(secret, file);
    expect(statSync(file).mode & 0o7777).toBe(0o600);
    expect(readFileSync(file).length).toBe(171);
    const loaded = loadKeptSecret(file);
    expect(secretCommitment(loaded)).toEqual(secretCommitment(secret));
    expect(loaded.parameters()).toEqual(secret.parameters());
    expect(secretCommitment(generateSecret())).not.toEqual(secretCommitment(secret));
  });

  test("is not read from a file that is open to others, nor written where there is no folder", () => {
    const file = path.join(folder, "open");
    writeFileSync(file, NEW, { mode: 0o644 });
    expect(() => loadKeptSecret(file)).toThrow(expect.objectContaining({ code: "SECRET_FILE" }));
    expect(() => saveSecret(of(NEW), path.join(folder, "no/file"))).toThrow(
      expect.objectContaining({ code: "SECRET_WRITE" }),
    );
  });
});
