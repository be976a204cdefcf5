"""usage: inventor.py SECRET_FILE TARGET TARGET_KEY WHAT COUNT [HOST…]: a member of the mesh that invents others, at a pace that is looked at.

members    COUNT keys greet, from 100 source addresses, every second one with a proof, each with all kinds of networks that are not its
           own and its WireGuard at one of HOST
mentions   greetings of one member mention COUNT keys, their WireGuard at one of HOST, all of them heard a second ago
farewells  COUNT goodbyes in the names of TARGET's peers (HOST is a key here) and of keys that are invented, from 100 addresses
orders     COUNT orders to punch and requests to relay, in others' names (HOST is a key here), from 100 addresses

The address 198.18.0.0/16 must be local. Prints the number of keys, or datagrams, that were sent.
"""

import base64
import hmac
import os
import random
import socket
import struct
import sys
import time

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

sys.path.insert(0, str(Path(__file__).parent.parent / "goPeer"))

from derivation import Mesh, parse_secret  # noqa: E402
from envelope import ANNOUNCEMENT, GOODBYE, KNOWN_PEER, PROTOCOL, go_json, ordered, seal  # noqa: E402
from rendezvous import pair_id  # noqa: E402

SOURCES = 100
# All of them together stay below what the target looks at (20 a second of each source, 2,000 of all), and what a busy machine takes in.
PER_SECOND = 850
# As many as fit into one datagram; each counts as forty of the usual size.
MENTIONS = 350
MENTIONS_PER_SECOND = 20
# linux/in.h; Python has no name for it before 3.14.
IP_PKTINFO = 8
# The Internet, the underlay, a host of it, and a network that TARGET's peers have behind them.
NETWORKS = ["0.0.0.0/0", "::/0", "0.0.0.0/1", "192.0.2.0/24", "192.0.2.2/32", "10.50.0.0/24"]


def text_of(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def invented() -> str:
    return text_of(os.urandom(32))


class Inventor:
    def __init__(self, secret_file: str, target: str, target_key: str) -> None:
        self.mesh = Mesh.of(parse_secret(Path(secret_file).read_text()))
        self.target = target
        self.target_key = target_key
        self.raw_target_key = base64.b64decode(target_key)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        self.begin = time.monotonic()
        self.sent = 0

    def send(self, datagram: bytes, per_second: float = PER_SECOND) -> None:
        source = struct.pack("!BBBB", 198, 18, 7, self.sent % SOURCES + 1)
        # in_pktinfo: the source address of this one datagram.
        control = [(socket.IPPROTO_IP, IP_PKTINFO, struct.pack("@I4s4s", 0, source, source))]
        try:
            self.socket.sendmsg([datagram], control, 0, (self.target, self.mesh.port))
        except BlockingIOError:
            pass
        self.sent += 1
        ahead = self.sent / per_second - (time.monotonic() - self.begin)
        if ahead > 0.002:
            time.sleep(ahead)

    def say(self, kind: str, payload: dict, per_second: float = PER_SECOND) -> None:
        self.send(seal(self.mesh.gossip_key, kind, payload), per_second)

    def about(self, key: str, extra: dict) -> dict:
        fields = {"protocol": PROTOCOL, "wg_pubkey": key, "timestamp": int(time.time()), "mesh_ip": self.mesh.ipv4(key)}
        return ordered(fields | extra, ANNOUNCEMENT)

    def proven(self, kind: str, private: X25519PrivateKey, payload: dict) -> dict:
        payload = {**payload, "message_id": os.urandom(6).hex()}
        shared = private.exchange(X25519PublicKey.from_public_bytes(self.raw_target_key))
        proof = hmac.digest(shared, kind.encode() + b"\0" + go_json(payload), "sha256")
        return {**payload, "proof": text_of(proof)}

    def members(self, count: int, hosts: list[str]) -> int:
        mesh_network = self.mesh.ipv4(self.target_key).rsplit(".", 2)[0] + ".0.0/16"
        networks = [*NETWORKS, mesh_network, f"{self.mesh.ipv4(self.target_key)}/32"]
        for number in range(count):
            extra = {"wg_endpoint": f"{random.choice(hosts)}:{1024 + number % 60000}", "routable_networks": networks}
            if number % 2 == 0:
                self.say("HELLO", self.about(invented(), extra))
                continue
            private = X25519PrivateKey.generate()
            key = text_of(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
            self.say("HELLO", self.proven("HELLO", private, self.about(key, {**extra, "known_peers": []})))
        return self.sent

    def mentions(self, count: int, hosts: list[str]) -> int:
        me, told = invented(), 0
        while told < count:
            peers = []
            for _ in range(min(MENTIONS, count - told)):
                key = invented()
                at = f"{random.choice(hosts)}:{1024 + told % 60000}"
                peer = ordered({"wg_pubkey": key, "mesh_ip": self.mesh.ipv4(key), "wg_endpoint": at}, KNOWN_PEER)
                peers.append({**peer, "age": 1})
            told += len(peers)
            about = self.about(me, {"wg_endpoint": "0.0.0.0:51820"})
            self.say("HELLO", {**about, "known_peers": peers, "instance": "0123456789abcdef"}, MENTIONS_PER_SECOND)
        return told

    def farewells(self, count: int, keys: list[str]) -> int:
        for number in range(count):
            key = invented() if number % 4 == 3 else random.choice(keys)
            fields = {"protocol": PROTOCOL, "wg_pubkey": key, "timestamp": int(time.time())}
            self.say("GOODBYE", ordered(fields, GOODBYE))
        return self.sent

    def orders(self, count: int, keys: list[str]) -> int:
        for number in range(count):
            key, other = random.sample(keys, 2)
            common = {"protocol": PROTOCOL, "timestamp": int(time.time())}
            if number % 3 == 0:
                self.say("RENDEZVOUS_START", {
                    **common, "pair_id": pair_id(self.target_key, key), "peer_pubkey": key,
                    "peer_candidates": [f"198.18.8.{place}:{3000 + number}" for place in range(1, 51)],
                    "start_at_unix_ms": int(time.time() * 1000) + 100,
                })
            elif number % 3 == 1:
                self.say("RENDEZVOUS_OFFER", {
                    **common, "from_pubkey": key, "target_pubkey": other, "pair_id": pair_id(key, other),
                    "candidates": [f"198.18.8.{place}:{3000 + number}" for place in range(1, 51)],
                    "observed_addr": "198.18.8.9:1",
                })
            else:
                self.say("RELAY_REQUEST", {**common, "from_pubkey": key, "peer_pubkey": other})
        return self.sent


def main() -> None:
    secret_file, target, target_key, what, count, *rest = sys.argv[1:]
    inventor = Inventor(secret_file, target, target_key)
    print(getattr(inventor, what)(int(count), rest))


main()
