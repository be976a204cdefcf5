"""usage: dht_crowd.py PORT ID COUNT PREFIX ADDRESS…: announces COUNT peers of nobody under an id (hex) to the DHT nodes at ADDRESS…

Each has an address of its own, PREFIX.0.1 and so on, all of which must lead to this host, and asks one node for its token first, as BEP 5
wants it. A query that gets no answer is repeated; a node that is full gives no token. Prints `announced N, refused M`, and ends.
"""

import os
import selectors
import socket
import sys
import time

AT_ONCE = 250
AGAIN_S = 0.5
TRIES = 6


def query(transaction: bytes, method: bytes, arguments: bytes) -> bytes:
    return b"d1:ad2:id20:" + os.urandom(20) + arguments + b"e1:q%d:%s1:t2:%s1:y1:qe" % (len(method), method, transaction)


def token_of(answer: bytes) -> bytes | None:
    mark = answer.find(b"5:token")
    if mark < 0:
        return None
    length, _, rest = answer[mark + 7 :].partition(b":")
    return rest[: int(length)]


class Peer:
    def __init__(self, number: int, prefix: str, infohash: bytes, node: tuple[str, int]) -> None:
        self.node, self.tries, self.infohash = node, 0, infohash
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((f"{prefix}.{number >> 8}.{number & 255}", 0))
        self.token: bytes | None = None

    def send(self) -> bool:
        self.tries += 1
        self.again_at = time.monotonic() + AGAIN_S
        if self.token is None:
            data = query(b"gp", b"get_peers", b"9:info_hash20:" + self.infohash)
        else:
            asked = b"9:info_hash20:" + self.infohash + b"4:porti52000e5:token%d:%s" % (len(self.token), self.token)
            data = query(b"an", b"announce_peer", asked)
        self.socket.sendto(data, self.node)
        return self.tries <= TRIES

    def is_done(self, answer: bytes) -> bool:
        if b"1:t2:an" in answer:
            return b"1:y1:r" in answer
        if self.token is not None or b"1:t2:gp" not in answer:
            return False
        self.token = token_of(answer)
        self.tries = 0
        if self.token is None:
            return True
        self.send()
        return False


def main() -> None:
    port, infohash, count, prefix, *addresses = sys.argv[1:]
    selector = selectors.DefaultSelector()
    waiting = iter(range(1, int(count) + 1))
    running: set[Peer] = set()
    announced = refused = 0
    while True:
        while len(running) < AT_ONCE and (number := next(waiting, None)) is not None:
            peer = Peer(number, prefix, bytes.fromhex(infohash), (addresses[number % len(addresses)], int(port)))
            selector.register(peer.socket, selectors.EVENT_READ, peer)
            running.add(peer)
            peer.send()
        if not running:
            break
        ended = []
        for key, _ in selector.select(0.1):
            if key.data.is_done(key.fileobj.recv(4096)):
                announced += key.data.token is not None
                refused += key.data.token is None
                ended.append(key.data)
        now = time.monotonic()
        ended += [peer for peer in running if peer.again_at < now and peer not in ended and not peer.send()]
        for peer in ended:
            selector.unregister(peer.socket)
            peer.socket.close()
            running.discard(peer)
    print(f"announced {announced}, refused {refused}", flush=True)


main()
