"""usage: stun.py SERVER PORT LOCAL_PORT [--mapping]: what kind of NAT is between here and the STUN server, by RFC 5780.

Prints one JSON object: `mapping` (none, independent, address, port) by section 4.3, `filtering` (independent, address,
port) by section 4.4, and the endpoints that were seen. LOCAL_PORT is used for both (0: free ones): only a port that was
forwarded shows that it is. With --mapping filtering is not looked at, which takes time, and is null.
"""

import json
import select
import socket
import sys
import time

import stun_messages as stun

INTERVAL = 0.2
# Of answers that must come, and of those that may be filtered away.
PATIENCE, DOUBT = 5.0, 1.2


def bound(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", port))
    return sock


def ask(sock: socket.socket, server: stun.Endpoint, change: int, patience: float) -> bytes | None:
    """The first answer, with the request repeated; None when there is none."""
    request = stun.request(change)
    end = time.monotonic() + patience
    while (left := end - time.monotonic()) > 0:
        sock.sendto(request, server)
        if select.select([sock], [], [], min(INTERVAL, left))[0]:
            data = sock.recv(2048)
            if stun.answers(data, request):
                return data
    return None


def must_ask(sock: socket.socket, server: stun.Endpoint) -> bytes:
    answer = ask(sock, server, 0, PATIENCE)
    if answer is None:
        sys.exit(f"no answer from {server}")
    return answer


def local_address(server: stun.Endpoint) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(server)
        return sock.getsockname()[0]


def main() -> None:
    server = (sys.argv[1], int(sys.argv[2]))
    port = int(sys.argv[3])

    # Filtering first: the port must never have spoken to the second address.
    sock = bound(port)
    if "--mapping" in sys.argv:
        filtering = None
    elif ask(sock, server, stun.CHANGE_IP | stun.CHANGE_PORT, DOUBT):
        filtering = "independent"
    elif ask(sock, server, stun.CHANGE_PORT, DOUBT):
        filtering = "address"
    else:
        filtering = "port"
    if port == 0:
        sock.close()
        sock = bound(0)

    first = must_ask(sock, server)
    alternate = stun.other(first)
    if alternate is None:
        sys.exit("the server tells no OTHER-ADDRESS")
    seen = [
        stun.mapped(first),
        stun.mapped(must_ask(sock, (alternate[0], server[1]))),
        stun.mapped(must_ask(sock, alternate)),
    ]
    local = (local_address(server), sock.getsockname()[1])
    if seen[0] == local:
        mapping = "none"
    elif seen[0] == seen[1] == seen[2]:
        mapping = "independent"
    else:
        mapping = "address" if seen[1] == seen[2] else "port"
    print(json.dumps({"mapping": mapping, "filtering": filtering, "local": local, "seen": seen}))


main()
