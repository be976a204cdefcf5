"""Counts what passes a link: the packets, those that hold a text, and those between two addresses. A line of JSON when told to end.

usage: capture.py LINK HEX_PATTERN ADDRESS ADDRESS
"""
import ipaddress
import json
import select
import socket
import sys

ETH_P_ALL = 3
link, pattern, *addresses = sys.argv[1:]
pattern = bytes.fromhex(pattern)
wanted = [ipaddress.ip_address(address).packed for address in addresses]
tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
tap.bind((link, 0))
print("ready", flush=True)
count = {"packets": 0, "withPattern": 0, "betweenThem": 0}
while True:
    ready, _, _ = select.select([tap, sys.stdin], [], [])
    # What was seen before the end counts, so the link comes first.
    if tap in ready:
        packet = tap.recv(65535)
        count["packets"] += 1
        count["withPattern"] += pattern in packet
        count["betweenThem"] += packet[12:16] in wanted and packet[16:20] in wanted
    elif not sys.stdin.readline():
        print(json.dumps(count), flush=True)
        break
