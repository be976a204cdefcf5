"""usage: pinger.py INTERVAL_MS TARGET…: pings every IPv4 target until it has answered once.

Prints one line for each answer, the target and CLOCK_MONOTONIC in milliseconds, and ends when all have answered. One
process for all targets: hundreds of ping processes would measure themselves.
"""

import select
import socket
import struct
import sys
import time

ECHO_REQUEST, ECHO_REPLY = 8, 0


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def echo_request(identifier: int) -> bytes:
    header = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, identifier, 1)
    return struct.pack("!BBHHH", ECHO_REQUEST, 0, checksum(header), identifier, 1)


def main() -> None:
    interval = int(sys.argv[1]) / 1000
    waiting = set(sys.argv[2:])
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    request = echo_request(0x5747)
    print("ready", flush=True)
    due = time.monotonic()
    while waiting:
        for target in waiting:
            try:
                raw.sendto(request, (target, 0))
            except OSError:
                pass  # no interface, or no route, yet
        due += interval
        while waiting and (left := due - time.monotonic()) > 0:
            if not select.select([raw], [], [], left)[0]:
                break
            packet, (source, _) = raw.recvfrom(2048)
            if source in waiting and packet[(packet[0] & 15) * 4] == ECHO_REPLY:
                waiting.discard(source)
                print(source, time.monotonic_ns() / 1e6, flush=True)


main()
