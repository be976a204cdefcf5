"""usage: check_vectors.py VECTORS: compares this peer's derivation and encoding with the vectors; exit 1 on a difference.

The peer judges wgmesh's daemon, so it must not share a mistake with it.
"""

import json
import sys

from pathlib import Path

from derivation import Mesh, parse_secret
from envelope import ANNOUNCEMENT, Rejected, go_json, open_datagram, ordered, seal
from rendezvous import is_public, pair_id
from store import split_endpoint


def check(what: str, got, wanted) -> None:
    global checked, differs
    checked += 1
    if got != wanted:
        differs += 1
        print(f"{what}: got {got!r}, wanted {wanted!r}")


checked = differs = 0
vectors = json.loads(Path(sys.argv[1]).read_text())

for entry in vectors["secrets"]:
    mesh, derived = Mesh.of(parse_secret(entry["input"])), entry["derived"]
    got = (mesh.gossip_key.hex(), mesh.port, mesh.group, mesh.psk.hex(), mesh.subnet.hex(), mesh.ipv6_prefix.hex(),
           mesh.probe_port)
    wanted = tuple(derived[name] for name in ("gossip_key_hex", "gossip_port", "multicast_group", "wg_psk_hex",
                                              "mesh_subnet_hex", "mesh_prefix_v6_hex", "probe_tcp_port"))
    check(entry["what"], got, wanted)

for entry in vectors["mesh_ip"]:
    mesh = Mesh.of(entry["secret"].encode())
    check(entry["what"], (mesh.ipv4(entry["pubkey"]), mesh.ipv6(entry["pubkey"])), (entry["ipv4"], entry["ipv6"]))

for entry in vectors["envelopes"]:
    key = bytes.fromhex(entry["gossip_key_hex"])
    try:
        kind, payload, _ = open_datagram(key, entry["wire"].encode(), entry["now"])
        verdict = "ok"
    except Rejected:
        verdict = "reject"
    check(entry["what"], verdict, entry["open_raw"].partition(":")[0])
    if "nonce_hex" in entry:
        # Sealing the same members again must give the same bytes.
        plaintext = json.loads(entry["plaintext"])
        sealed = seal(key, entry["opened_type"], plaintext, bytes.fromhex(entry["nonce_hex"]))
        check(f"{entry['what']}, sealed", sealed.decode(), entry["wire"])
        if entry["opened_type"] in ("HELLO", "REPLY", "ANNOUNCE"):
            check(f"{entry['what']}, order", go_json(ordered(plaintext, ANNOUNCEMENT)).decode(), entry["plaintext"])

for entry in vectors["pairs"]:
    check(entry["what"], pair_id(entry["a"], entry["b"]), entry["pair_id"])
    check(entry["what"], pair_id(entry["b"], entry["a"]), entry["pair_id_reversed"])

for entry in vectors["public_endpoint"]:
    parts = split_endpoint(entry["endpoint"])
    check(f"{entry['what']}: {entry['endpoint']}", parts is not None and is_public(parts[0]), entry["public"])

print(f"{checked} checked, {differs} differ")
sys.exit(1 if differs or checked < 50 else 0)
