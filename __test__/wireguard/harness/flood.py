"""usage: flood.py KIND TARGET PORT RATE SOURCES DEVICE_KEY PEER_KEY <RECORDED: sends datagrams at RATE a second until SIGTERM.

KIND: initiation (forged, valid as far as anybody can make one), cookie (the same, with the cookie that the device asks for),
garbage (chance, but every other one begins like a message), data (of sessions that do not exist), replay (the lines of
hex on standard input over and over). They come from SOURCES addresses, 198.18.0.1 and up (RFC 2544, for tests), which
the namespace must have as local. Prints "ready" before it begins and at the end JSON: how many were sent in how many
milliseconds, and how many cookies and other datagrams came back.
"""

import base64
import json
import os
import random
import signal
import socket
import struct
import sys
import time

from forge import Forger

# linux/in.h; Python has no name for it before 3.14.
IP_PKTINFO = 8
# asm-generic/socket.h; Python has no names for them.
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
BUFFER_BYTES = 8 << 20
# What could not be sent in time is not sent later: a burst would say nothing but that the machine is busy.
MOST_AT_ONCE = 20
COOKIE_REPLY = 3


class Flood:
    def __init__(self, kind: str, target: str, port: str, rate: str, sources: str, device: str, peer: str) -> None:
        self.target = (target, int(port))
        self.rate = int(rate)
        self.sources = [self._control(number + 1) for number in range(int(sources))]
        self.forger = Forger(base64.b64decode(device), base64.b64decode(peer))
        self.recorded = [bytes.fromhex(line) for line in sys.stdin] if kind == "replay" else []
        self.make = getattr(self, f"_{kind}")
        self.wants_cookie = kind == "cookie"
        self.sent = self.cookies = self.others = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for option in (SO_SNDBUFFORCE, SO_RCVBUFFORCE):
            self.socket.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        self.socket.bind(("0.0.0.0", 0))
        self.socket.setblocking(False)
        self.going = True
        signal.signal(signal.SIGTERM, self._stop)

    def _stop(self, *_: object) -> None:
        self.going = False

    @staticmethod
    def _control(number: int) -> list[tuple[int, int, bytes]]:
        source = socket.inet_aton("198.18.0.0")[:2] + struct.pack("!H", number)
        return [(socket.IPPROTO_IP, IP_PKTINFO, struct.pack("@I4s4s", 0, source, bytes(4)))]

    def _initiation(self, number: int) -> bytes:
        return self.forger.initiation(number)

    _cookie = _initiation

    def _garbage(self, number: int) -> bytes:
        noise = os.urandom(random.randrange(1, 1400))
        return bytes([random.randrange(1, 5), 0, 0, 0]) + noise if number % 2 else noise

    def _data(self, number: int) -> bytes:
        return struct.pack("<IIQ", 4, random.getrandbits(32), number) + bytes(112)

    def _replay(self, number: int) -> bytes:
        return self.recorded[number % len(self.recorded)]

    def run(self) -> None:
        print("ready", flush=True)
        begin = time.monotonic()
        due = 0
        while self.going:
            now = int((time.monotonic() - begin) * self.rate)
            due = max(due, now - MOST_AT_ONCE)
            for number in range(due, now):
                self._send(number)
                # To open a cookie one must know what it answers.
                if self.wants_cookie and not self.forger.cookie:
                    time.sleep(0.002)
                    self._receive()
            due = max(due, now)
            self._receive()
            time.sleep(0.0005)
        ms = (time.monotonic() - begin) * 1000
        print(json.dumps({"sent": self.sent, "ms": ms, "cookies": self.cookies, "others": self.others}), flush=True)

    def _send(self, number: int) -> None:
        try:
            self.socket.sendmsg([self.make(number)], self.sources[number % len(self.sources)], 0, self.target)
            self.sent += 1
        except OSError:
            pass  # a full queue, or an ICMP error that came back

    def _receive(self) -> None:
        while True:
            try:
                reply = self.socket.recv(2048)
            except BlockingIOError:
                return
            except OSError:
                continue
            if reply[:1] == bytes([COOKIE_REPLY]):
                self.cookies += 1
                if self.wants_cookie and not self.forger.cookie:
                    self.forger.take_cookie(reply)
            else:
                self.others += 1


Flood(*sys.argv[1:]).run()
