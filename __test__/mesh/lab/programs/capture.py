"""usage: capture.py TEXT: looks at every packet of every link of the namespace, those of WireGuard included.

Prints `ready`; when standard input closes, one JSON object: how many packets there were, and how many held TEXT.
"""

import json
import os
import select
import socket
import sys

ETH_P_ALL = 3

text = sys.argv[1].encode()
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
sniffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
packets = plaintext = 0
print("ready", flush=True)
while True:
    readable = select.select([sniffer, 0], [], [])[0]
    if sniffer in readable:
        try:
            data = sniffer.recv(65535)
        except OSError:
            continue  # a link that went away
        packets += 1
        plaintext += text in data
    elif not os.read(0, 4096):
        break
print(json.dumps({"packets": packets, "plaintext": plaintext}), flush=True)
