"""usage: nat.py TUN ADDRESS --mapping M --filtering F [--ports P] [--hairpin] [--unreplied S] [--stream S]

A NAT for UDP over IPv4, of the kinds of RFC 4787 that Linux has not got. It reads packets of the private side from TUN,
writes them back with ADDRESS as their source, and the other way round; the namespace routes the private side's packets and
those to ADDRESS into TUN.

M and F: `independent` (of the endpoint), `address` (dependent), `port` (address and port dependent).
P: `random`, `preserve` (the inner port where free), `sequential` (counted up, which makes a symmetric NAT predictable).
A mapping is forgotten after 30 s, or 120 s once it was answered and is older than 2 s: the times of Linux conntrack.
"""

import argparse
import fcntl
import os
import random
import select
import socket
import struct
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
UDP = 17
LOWEST_PORT = 1024
# Linux: a flow becomes a stream when it was answered and is older than this.
STREAM_AFTER = 2.0


def packed(address: str) -> int:
    return struct.unpack("!I", socket.inet_aton(address))[0]


def adjusted(checksum: int, old: int, new: int) -> int:
    """RFC 1624: the checksum after the 16-bit word `old` became `new`."""
    total = (~checksum & 0xFFFF) + (~old & 0xFFFF) + new
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def rewrite(packet: bytearray, header: int, at: int, port_at: int, address: int, port: int) -> None:
    """Replaces the address at offset `at` of the IP header and the port at `port_at` of the UDP header."""
    old_address = struct.unpack_from("!I", packet, at)[0]
    old_port = struct.unpack_from("!H", packet, header + port_at)[0]
    ip_sum = struct.unpack_from("!H", packet, 10)[0]
    udp_sum = struct.unpack_from("!H", packet, header + 6)[0]
    for old, new in ((old_address >> 16, address >> 16), (old_address & 0xFFFF, address & 0xFFFF)):
        ip_sum = adjusted(ip_sum, old, new)
        if udp_sum:
            udp_sum = adjusted(udp_sum, old, new) or 0xFFFF
    if udp_sum:
        udp_sum = adjusted(udp_sum, old_port, port) or 0xFFFF
    struct.pack_into("!I", packet, at, address)
    struct.pack_into("!H", packet, header + port_at, port)
    struct.pack_into("!H", packet, 10, ip_sum)
    struct.pack_into("!H", packet, header + 6, udp_sum)


class Mapping:
    __slots__ = ("key", "inner", "port", "created", "used", "answered", "remotes")

    def __init__(self, key: tuple, inner: tuple, port: int, now: float) -> None:
        self.key, self.inner, self.port = key, inner, port
        self.created = self.used = now
        self.answered = False
        # What the inside sent to, by the part of the endpoint the filter looks at.
        self.remotes: set = set()


class Nat:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.address = packed(options.address)
        self.by_key: dict[tuple, Mapping] = {}
        self.by_port: dict[int, Mapping] = {}
        self.next_port = random.randrange(20000, 50000)

    @staticmethod
    def dependent(kind: str, address: int, port: int) -> tuple:
        return {"independent": (), "address": (address,), "port": (address, port)}[kind]

    def free_port(self, wanted: int) -> int:
        if self.options.ports == "preserve" and wanted >= LOWEST_PORT and wanted not in self.by_port:
            return wanted
        while True:
            if self.options.ports == "sequential":
                port = self.next_port
                self.next_port = port + 1 if port < 65535 else LOWEST_PORT
            else:
                port = random.randrange(LOWEST_PORT, 65536)
            if port not in self.by_port:
                return port

    def alive(self, mapping: Mapping, now: float) -> bool:
        stream = mapping.answered and mapping.used - mapping.created > STREAM_AFTER
        return now - mapping.used < (self.options.stream if stream else self.options.unreplied)

    def forget(self, mapping: Mapping) -> None:
        self.by_key.pop(mapping.key, None)
        self.by_port.pop(mapping.port, None)

    def sweep(self, now: float) -> None:
        for mapping in [m for m in self.by_port.values() if not self.alive(m, now)]:
            self.forget(mapping)

    def outbound(self, source: int, sport: int, target: int, dport: int, now: float) -> Mapping:
        key = (source, sport, *self.dependent(self.options.mapping, target, dport))
        mapping = self.by_key.get(key)
        if mapping is not None and not self.alive(mapping, now):
            self.forget(mapping)
            mapping = None
        if mapping is None:
            mapping = Mapping(key, (source, sport), self.free_port(sport), now)
            self.by_key[key] = self.by_port[mapping.port] = mapping
        mapping.used = now
        mapping.remotes.add(self.dependent(self.options.filtering, target, dport))
        return mapping

    def inbound(self, source: int, sport: int, dport: int, now: float) -> Mapping | None:
        mapping = self.by_port.get(dport)
        if mapping is None or not self.alive(mapping, now):
            return None
        if self.dependent(self.options.filtering, source, sport) not in mapping.remotes:
            return None
        mapping.used, mapping.answered = now, True
        return mapping

    def translate(self, packet: bytearray, now: float) -> bool:
        """True when the packet, changed in place, goes on."""
        if len(packet) < 28 or packet[0] >> 4 != 4 or packet[9] != UDP:
            return False
        header = (packet[0] & 15) * 4
        # Only whole datagrams: a fragment has no ports.
        if struct.unpack_from("!H", packet, 6)[0] & 0x3FFF or len(packet) < header + 8:
            return False
        source, target = struct.unpack_from("!II", packet, 12)
        sport, dport = struct.unpack_from("!HH", packet, header)
        if target != self.address:
            rewrite(packet, header, 12, 0, self.address, self.outbound(source, sport, target, dport, now).port)
            return True
        if self.inside(source):
            if not self.options.hairpin:
                return False
            # RFC 4787 REQ-9a: the other inside host sees the external endpoint as the source.
            source, sport = self.address, self.outbound(source, sport, target, dport, now).port
            rewrite(packet, header, 12, 0, source, sport)
        mapping = self.inbound(source, sport, dport, now)
        if mapping is None:
            return False
        rewrite(packet, header, 16, 2, *mapping.inner)
        return True

    @staticmethod
    def inside(address: int) -> bool:
        """Private (RFC 1918) or shared (RFC 6598)."""
        return (
            address >> 24 == 10
            or address >> 20 == 0xAC1
            or address >> 16 == 0xC0A8
            or address >> 22 == packed("100.64.0.0") >> 22
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tun")
    parser.add_argument("address")
    dependence = ("independent", "address", "port")
    parser.add_argument("--mapping", choices=dependence, required=True)
    parser.add_argument("--filtering", choices=dependence, required=True)
    parser.add_argument("--ports", choices=("random", "preserve", "sequential"), default="random")
    parser.add_argument("--hairpin", action="store_true")
    parser.add_argument("--unreplied", type=float, default=30)
    parser.add_argument("--stream", type=float, default=120)
    options = parser.parse_args()

    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", options.tun.encode(), IFF_TUN | IFF_NO_PI))
    nat = Nat(options)
    swept = time.monotonic()
    print("ready", flush=True)
    while True:
        select.select([tun], [], [], 1)
        now = time.monotonic()
        if now - swept > 1:
            nat.sweep(now)
            swept = now
        # A batch for each look at the clock.
        for _ in range(64):
            try:
                packet = bytearray(os.read(tun, 65535))
            except BlockingIOError:
                break
            if nat.translate(packet, now):
                try:
                    os.write(tun, packet)
                except OSError:
                    pass  # no route, or the queue is full: packets get lost


main()
