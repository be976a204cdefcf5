"""usage: liar.py SECRET_FILE TARGET COUNT KEY: speaks to a node's control port in the name of KEY, COUNT times.

Every datagram is sealed correctly, as any member of the mesh can: greetings with another address, another endpoint and
networks of the liar's, announcements, and goodbyes. Prints the number sent.
"""

import socket
import sys
import time

from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "goPeer"))

from derivation import Mesh, parse_secret  # noqa: E402
from envelope import ANNOUNCEMENT, GOODBYE, PROTOCOL, ordered, seal  # noqa: E402

# Below the limit of a source, so that all of them are looked into.
PER_SECOND = 8


def main() -> None:
    secret_file, target, count, key = sys.argv[1:]
    mesh = Mesh.of(parse_secret(Path(secret_file).read_text()))
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for number in range(int(count)):
        kind = ("HELLO", "ANNOUNCE", "GOODBYE")[number % 3]
        fields = {"protocol": PROTOCOL, "wg_pubkey": key, "timestamp": int(time.time())}
        lies = {
            "hostname": "liar", "mesh_ip": mesh.ipv4("x" + key), "wg_endpoint": "0.0.0.0:51820",
            "routable_networks": ["198.19.0.0/24"],
        }
        payload = ordered(fields, GOODBYE) if kind == "GOODBYE" else ordered(fields | lies, ANNOUNCEMENT)
        sender.sendto(seal(mesh.gossip_key, kind, payload), (target, mesh.port))
        time.sleep(1 / PER_SECOND)
    print(count)


main()
