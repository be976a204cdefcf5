import { MeshSecret } from "@wgmesh/native";
import { describe, expect, test } from "vitest";
import { vectors } from "../support/vectors.ts";
import { type DerivedForTests, testAddon } from "./testAddon.ts";

interface SecretVector {
  readonly input: string;
  readonly derived: DerivedForTests & {
    readonly network_id_hex: string;
    readonly mesh_id: string;
    readonly mesh_subnet_cidr: string;
    readonly multicast_group: string;
    readonly gossip_port: number;
    readonly probe_tcp_port: number;
    readonly rendezvous_id_hex: string;
  };
}

interface AddressVector {
  readonly secret: string;
  readonly pubkey: string;
  readonly ipv4: string;
  readonly ipv4_nonce_1_to_3: readonly string[];
  readonly ipv6: string;
}

interface SubnetVector {
  readonly secret: string;
  readonly pubkey: string;
  readonly cidr: string;
  readonly config_accepts: boolean;
  readonly ipv4?: string;
  readonly ipv4_nonce_1?: string;
}

interface CollisionVector {
  readonly secret: string;
  readonly pubkey_a: string;
  readonly pubkey_b: string;
  readonly shared_ipv4: string;
  readonly loser: string;
  readonly loser_new_ipv4: string;
}

interface EnvelopeVector {
  readonly gossip_key_hex: string;
  readonly nonce_hex?: string;
  readonly plaintext?: string;
  readonly wire: string;
}

describe("vectors through the bindings", () => {
  test("secrets: everything derived", () => {
    const addon = testAddon();
    for (const { input, derived, what } of vectors<SecretVector>("secrets")) {
      const secret = addon.MeshSecret.fromText(input);
      expect(derived, what).toMatchObject(addon.derivedForTests(secret));
      expect(MeshSecret.fromText(input).parameters(), what).toEqual({
        networkId: derived.network_id_hex,
        meshId: derived.mesh_id,
        meshSubnet: derived.mesh_subnet_cidr,
        meshIpv6Prefix: `${(derived.mesh_prefix_v6_hex.match(/.{4}/g) ?? []).join(":")}::/64`,
        multicastGroup: derived.multicast_group,
        gossipPort: derived.gossip_port,
        probePort: derived.probe_tcp_port,
        rendezvousId: derived.rendezvous_id_hex,
      });
    }
  });

  test("secret_parsing", () => {
    const entries = vectors<{ input: string; accepted: boolean; parsed: string }>("secret_parsing");
    for (const { input, accepted, parsed, what } of entries) {
      if (!accepted) {
        expect(() => MeshSecret.fromText(input), what).toThrow(/^SECRET_SHORT: /);
        continue;
      }
      // The bytes themselves stay inside, so the same network id stands for them: nothing is cut from a URI without "?".
      const same = MeshSecret.fromText(parsed.startsWith(" ") ? `wgmesh://v1/${parsed}` : parsed);
      expect(MeshSecret.fromText(input).parameters().networkId, what).toBe(same.parameters().networkId);
    }
  });

  test("network_id_time", () => {
    const entries = vectors<{
      secret: string;
      hour: number;
      infohash_hex: string;
      previous_infohash_hex?: string;
    }>("network_id_time");
    for (const { secret, hour, infohash_hex, previous_infohash_hex } of entries) {
      const mesh = MeshSecret.fromText(secret);
      expect(mesh.infohash(hour)).toBe(infohash_hex);
      if (previous_infohash_hex !== undefined) expect(mesh.infohash(hour - 1)).toBe(previous_infohash_hex);
    }
  });

  test("mesh_ip", () => {
    for (const vector of vectors<AddressVector>("mesh_ip")) {
      const mesh = MeshSecret.fromText(vector.secret);
      expect(mesh.meshIpv4(vector.pubkey, 0)).toBe(vector.ipv4);
      expect([1, 2, 3].map((nonce) => mesh.meshIpv4(vector.pubkey, nonce))).toEqual(vector.ipv4_nonce_1_to_3);
      expect(mesh.meshIpv6(vector.pubkey)).toBe(vector.ipv6);
    }
  });

  test("mesh_ip_custom_subnet", () => {
    for (const vector of vectors<SubnetVector>("mesh_ip_custom_subnet")) {
      const mesh = MeshSecret.fromText(vector.secret);
      const address = (nonce: number): string => mesh.meshIpv4In(vector.pubkey, vector.cidr, nonce);
      if (vector.config_accepts) {
        expect([address(0), address(1)]).toEqual([vector.ipv4, vector.ipv4_nonce_1]);
      } else {
        expect(() => address(0)).toThrow(/^EINVAL: cannot use mesh subnet /);
      }
    }
  });

  test("mesh_ip_collision", () => {
    for (const vector of vectors<CollisionVector>("mesh_ip_collision")) {
      const mesh = MeshSecret.fromText(vector.secret);
      expect(mesh.meshIpv4(vector.pubkey_a, 0)).toBe(vector.shared_ipv4);
      expect(mesh.meshIpv4(vector.pubkey_b, 0)).toBe(vector.shared_ipv4);
      expect(mesh.meshIpv4(vector.loser, 1)).toBe(vector.loser_new_ipv4);
    }
  });

  test("envelopes: seal and open", () => {
    const addon = testAddon();
    const meshes = vectors<SecretVector>("secrets").map(({ input }) => addon.MeshSecret.fromText(input));
    let sealed = 0;
    for (const { gossip_key_hex, nonce_hex, plaintext, wire, what } of vectors<EnvelopeVector>("envelopes")) {
      const mesh = meshes.find((each) => addon.derivedForTests(each).gossip_key_hex === gossip_key_hex);
      if (mesh === undefined || nonce_hex === undefined || plaintext === undefined) continue;
      const nonce = Buffer.from(nonce_hex, "hex");
      const { ciphertext } = JSON.parse(wire) as { ciphertext: string };
      expect(mesh.seal(nonce, Buffer.from(plaintext)).toString("base64"), what).toBe(ciphertext);
      expect(mesh.open(nonce, Buffer.from(ciphertext, "base64"))?.toString(), what).toBe(plaintext);
      sealed++;
    }
    expect(sealed).toBeGreaterThan(5);
  });
});

test("a panic becomes an error that shows nothing of its cause", () => {
  expect(() => testAddon().panicForTests()).toThrow(/^INTERNAL: cannot finish the call: a bug/);
});
