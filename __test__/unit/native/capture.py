"""Looks at every packet of this network namespace until a line comes in, then tells how many there were, how many held the text
that is the first argument, and how many were frames of a relay."""

import json
import select
import socket
import sys

needle = sys.argv[1].encode()
packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
seen = {"packets": 0, "plain": 0, "frames": 0}
print("listening", flush=True)
while True:
    ready, _, _ = select.select([packets, sys.stdin], [], [])
    if packets in ready:
        data = packets.recv(1 << 17)
        seen["packets"] += 1
        seen["plain"] += needle in data
        seen["frames"] += b"WGR\x01" in data
    elif sys.stdin in ready:
        print(json.dumps(seen), flush=True)
        break
