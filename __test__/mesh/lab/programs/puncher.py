"""usage: puncher.py SERVER PORT LOCAL_PORT DELAY_MS LIMIT_MS: one end of a plain UDP hole punch.

Prints the endpoint STUN tells of LOCAL_PORT as one JSON line, then reads the other end's lines from standard input: one is
where to send, sent every 100 ms from DELAY_MS later on, as to every endpoint something came from. Prints `open` with the
milliseconds when both directions work, or `closed` after LIMIT_MS; stays until standard input closes, so that the other
end hears of it.
"""

import json
import os
import select
import socket
import sys
import time

import stun_messages as stun

INTERVAL = 0.1


def told(sock: socket.socket, server: stun.Endpoint) -> stun.Endpoint:
    request = stun.request()
    for _ in range(50):
        sock.sendto(request, server)
        if select.select([sock], [], [], INTERVAL)[0]:
            data = sock.recv(2048)
            if stun.answers(data, request):
                return stun.mapped(data)
    sys.exit(f"no answer from {server}")


def main() -> None:
    server = (sys.argv[1], int(sys.argv[2]))
    delay, limit = int(sys.argv[4]) / 1000, int(sys.argv[5]) / 1000
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", int(sys.argv[3])))
    print(json.dumps(told(sock, server)), flush=True)
    line = sys.stdin.readline()
    if not line:
        return
    targets = {tuple(json.loads(line))}
    start = time.monotonic()
    due = start + delay
    heard = False
    reported = False
    while True:
        now = time.monotonic()
        if now >= due:
            due = now + INTERVAL
            for target in targets:
                try:
                    # Says whether the other end was heard: "yes" there means that both directions work.
                    sock.sendto(b"yes" if heard else b"no", target)
                except OSError:
                    pass
        if not reported and now - start > limit:
            reported = True
            print("closed", flush=True)
        for ready in select.select([sock, sys.stdin.fileno()], [], [], max(0, due - time.monotonic()))[0]:
            if ready is not sock:
                if not os.read(ready, 4096):
                    return
                continue
            try:
                data, source = sock.recvfrom(2048)
            except ConnectionRefusedError:
                continue
            if data not in (b"yes", b"no"):
                continue
            heard = True
            targets.add(source)
            if data == b"yes" and not reported:
                reported = True
                print("open", round((time.monotonic() - start) * 1000), flush=True)


main()
