"""usage: flood.py SECRET_FILE TARGET COUNT SEED KEY…: sends mutated datagrams to a node's control port.

Half of them are garbage or damaged envelopes, as anybody can send; half are sealed correctly around a mutated payload, as
a member, or somebody with a leaked secret, can. The KEYs are those of real peers, which some of the payloads claim to be.
Source addresses are some 3,600 of 198.18.0.0/16 (RFC 2544, for tests), which the namespace must have as local; a
tenth of the datagrams come from one address, so that the limiter has work.

Prints the number sent. The same seed gives the same mutations.
"""

import base64
import os
import random
import socket
import struct
import sys
import time

from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

sys.path.insert(0, str(Path(__file__).parent.parent / "goPeer"))

from derivation import Mesh, parse_secret  # noqa: E402
from envelope import ANNOUNCEMENT, PROTOCOL, go_json, ordered, seal  # noqa: E402

SOURCES = 4000
# Below what a busy machine's receive queue (net.core.netdev_max_backlog) drops by itself.
PER_SECOND = 5_000
LARGEST = 60_000
# linux/in.h; Python has no name for it before 3.14.
IP_PKTINFO = 8
KINDS = ("HELLO", "REPLY", "ANNOUNCE", "GOODBYE", "RENDEZVOUS_OFFER", "RENDEZVOUS_START", "", "hello", "PING")
# Values that once broke a parser, a command line or a table.
NASTY = (None, True, -1, 0, 1.5, 1e308, 2**64, "", "-f", "a" * 4000, "0.0.0.0/0", "::/0", "10.0.0.1/33", "[::1]:0", "\x00",
         "127.0.0.1:51820", "999.1.1.1", "fe80::1%eth0", "\U0001f600", [], {}, [[]], [None], ["0.0.0.0/0", "::/0"],
         [{}] * 1001, {"toString": 1}, "__proto__", "\u2028<&>", "wgmesh-v2")


def main() -> None:
    secret_file, target, count, seed, *keys = sys.argv[1:]
    mesh = Mesh.of(parse_secret(Path(secret_file).read_text()))
    chance = random.Random(int(seed))
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    start = time.monotonic()
    for number in range(int(count)):
        make = sealed if number % 2 else unsealed
        last = SOURCES if number % 10 == 0 else number % SOURCES
        source = socket.inet_aton("198.18.0.0")[:2] + struct.pack("!H", last + 1)
        # in_pktinfo: the source address of this one datagram.
        control = [(socket.IPPROTO_IP, IP_PKTINFO, struct.pack("@I4s4s", 0, source, source))]
        try:
            sender.sendmsg([make(mesh, chance, keys)[:LARGEST]], control, 0, (target, mesh.port))
        except BlockingIOError:
            pass
        ahead = number / PER_SECOND - (time.monotonic() - start)
        if ahead > 0.005:
            time.sleep(ahead)
    print(count)


def announcement(mesh: Mesh, chance: random.Random, keys: list[str]) -> dict:
    """A valid one, of a real peer now and then, else of a peer that does not exist."""
    key = chance.choice(keys) if chance.random() < 0.2 else base64.b64encode(chance.randbytes(32)).decode()
    return ordered({
        "protocol": PROTOCOL, "wg_pubkey": key, "hostname": "liar", "mesh_ip": mesh.ipv4(key),
        "mesh_ipv6": mesh.ipv6(key), "wg_endpoint": f"198.18.{chance.randrange(256)}.1:51820",
        "routable_networks": [f"198.19.{chance.randrange(256)}.0/24"], "timestamp": int(time.time()),
    }, ANNOUNCEMENT)


def sealed(mesh: Mesh, chance: random.Random, keys: list[str]) -> bytes:
    payload = announcement(mesh, chance, keys)
    mutation = chance.randrange(5)
    if mutation == 0:
        payload[chance.choice(list(payload))] = chance.choice(NASTY)
    elif mutation == 1:
        del payload[chance.choice(list(payload))]
    elif mutation == 2:
        payload["known_peers"] = [{"wg_pubkey": chance.choice(keys), "mesh_ip": chance.choice(NASTY),
                                   "wg_endpoint": chance.choice(NASTY)} for _ in range(chance.randrange(1, 20))]
    elif mutation == 3:
        payload["timestamp"] += chance.choice((-601, 601, 10**9, 0))
    else:
        return seal_text(mesh, damaged(go_json(payload), chance))
    return seal(mesh.gossip_key, chance.choice(KINDS), payload)


def seal_text(mesh: Mesh, text: bytes) -> bytes:
    """A correct seal around text that need not be JSON."""
    nonce = os.urandom(12)
    ciphertext = base64.b64encode(AESGCM(mesh.gossip_key).encrypt(nonce, text, None)).decode()
    return go_json({"type": "HELLO", "nonce": base64.b64encode(nonce).decode(), "ciphertext": ciphertext})


def unsealed(mesh: Mesh, chance: random.Random, keys: list[str]) -> bytes:
    mutation = chance.randrange(6)
    if mutation == 0:
        return chance.randbytes(chance.randrange(0, 1400))
    if mutation == 1:
        return b"[" * chance.randrange(1, 3000)
    if mutation == 2 and chance.random() < 0.02:
        return chance.randbytes(LARGEST)
    good = seal(mesh.gossip_key, "HELLO", announcement(mesh, chance, keys))
    return good[: chance.randrange(len(good))] if mutation == 3 else damaged(good, chance)


def damaged(text: bytes, chance: random.Random) -> bytes:
    changed = bytearray(text)
    for _ in range(chance.randrange(1, 4)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


main()
