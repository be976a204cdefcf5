"""Prints the control messages that pass a link, one a line in base64: UDP datagrams of which the payload is a sealed envelope.

usage: datagrams.py LINK; a line on standard input ends it
"""
import base64
import select
import socket
import sys

ETH_P_ALL = 3
UDP = 17
tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
tap.bind((sys.argv[1], 0))
print("ready", flush=True)
while True:
    ready, _, _ = select.select([tap, sys.stdin], [], [])
    # What was seen before the end counts, so the link comes first.
    if tap in ready:
        packet = tap.recv(65535)
        version = packet[0] >> 4
        header = (packet[0] & 15) * 4 if version == 4 else 40
        protocol = packet[9] if version == 4 else packet[6]
        payload = packet[header + 8:]
        if protocol == UDP and payload.startswith(b'{"type":'):
            print(base64.b64encode(payload).decode(), flush=True)
    else:
        sys.stdin.readline()
        print("end", flush=True)
        break
