"""usage: poke.py ADDRESS PORT LOCAL_PORT [--once]: sends to an endpoint that did not ask, then tells who speaks first.

Prints `poked` after three datagrams, then the source port of the first datagram that comes, as a NAT shows it that was
poked; ends after 5 s without one. With --once it does not wait.
"""

import socket
import sys
import time

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("", int(sys.argv[3])))
target = (sys.argv[1], int(sys.argv[2]))
for _ in range(3):
    try:
        sock.sendto(b"poke", target)
    except ConnectionRefusedError:
        pass
    time.sleep(0.05)
if "--once" in sys.argv:
    sys.exit()
print("poked", flush=True)
sock.settimeout(5)
while True:
    try:
        print(sock.recvfrom(2048)[1][1], flush=True)
        break
    except ConnectionRefusedError:
        continue
    except TimeoutError:
        sys.exit("nothing came")
