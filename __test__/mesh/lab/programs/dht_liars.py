"""usage: dht_liars.py PORT LIES VICTIM ADDRESS…: DHT nodes that lie, one on each address.

Asked for an id they claim to be as near to it as can be, name one another as its neighbours, and answer with addresses out of
LIES invented ones, other ones each time, some of them ports of VICTIM's. What is announced to them is taken and forgotten.
Prints `ready`, then a line `told N` each second with the number of addresses told so far.
"""

import os
import random
import selectors
import socket
import struct
import sys
import time

# Below one frame, since NATs may not pass on fragments.
TOLD = 140
VICTIMS = 10


def encode(value) -> bytes:
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(encode, value)) + b"e"
    return b"d" + b"".join(encode(key) + encode(value[key]) for key in sorted(value)) + b"e"


def decode(data: bytes, at: int = 0):
    mark = data[at : at + 1]
    if mark == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if mark in (b"l", b"d"):
        items, at = [], at + 1
        while data[at : at + 1] != b"e":
            item, at = decode(data, at)
            items.append(item)
        return (items if mark == b"l" else dict(zip(items[::2], items[1::2]))), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1 : end], end


def compact(address: str, port: int) -> bytes:
    return socket.inet_aton(address) + struct.pack("!H", port)


def near(target: bytes, number: int) -> bytes:
    return target[:-2] + struct.pack("!H", number)


class Liars:
    def __init__(self, port: int, lies: int, victim: str, addresses: list[str]) -> None:
        self.port, self.victim, self.addresses = port, victim, addresses
        self.told = 0
        # Of nobody: nothing leads there.
        self.lies = [compact(f"20.{n >> 16}.{n >> 8 & 255}.{n & 255}", 1024 + n) for n in range(1, lies + 1)]

    def answer(self, number: int, source: tuple[str, int], query: dict) -> bytes:
        method, given = query[b"q"], query[b"a"]
        target = given.get(b"info_hash") or given.get(b"target") or os.urandom(20)
        reply = {b"id": near(target, number)}
        if method in (b"find_node", b"get_peers"):
            others = random.sample(list(enumerate(self.addresses)), min(8, len(self.addresses)))
            reply[b"nodes"] = b"".join(near(target, at) + compact(address, self.port) for at, address in others)
        if method == b"get_peers":
            victims = [compact(self.victim, random.randrange(1024, 65536)) for _ in range(VICTIMS)]
            reply[b"token"] = b"liar"
            reply[b"values"] = random.sample(self.lies, TOLD - VICTIMS) + victims
            self.told += TOLD
        return encode({b"t": query[b"t"], b"y": b"r", b"r": reply, b"ip": compact(*source)})

    def run(self) -> None:
        selector = selectors.DefaultSelector()
        for number, address in enumerate(self.addresses):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind((address, self.port))
            selector.register(sock, selectors.EVENT_READ, number)
        print("ready", flush=True)
        next_line = time.monotonic() + 1
        while True:
            for key, _ in selector.select(0.2):
                data, source = key.fileobj.recvfrom(2048)
                try:
                    query, _ = decode(data)
                    if query.get(b"y") == b"q":
                        key.fileobj.sendto(self.answer(key.data, source, query), source)
                except (ValueError, IndexError, KeyError, AttributeError, TypeError, OSError):
                    pass
            if time.monotonic() >= next_line:
                next_line += 1
                print(f"told {self.told}", flush=True)


def main() -> None:
    port, lies, victim, *addresses = sys.argv[1:]
    Liars(int(port), int(lies), victim, addresses).run()


main()
