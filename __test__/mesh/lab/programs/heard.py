"""usage: heard.py ADDRESS PORT SECONDS: prints `listening`, then `yes` when a datagram comes to that address and port in time, else `no`."""

import socket
import sys

address, port, seconds = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as sock:
    sock.bind((address, int(port)))
    sock.settimeout(float(seconds))
    print("listening", flush=True)
    try:
        sock.recv(1)
        print("yes")
    except TimeoutError:
        print("no")
