"""An independent wgmesh node that behaves as the Go peer does, written from PROTOCOL.md alone.

usage: peer.py SECRET_FILE FOLDER INTERFACE [ADDRESS…]

It drives a real WireGuard interface. Events go to standard output, one JSON object a line; the line `status` on
standard input asks for one. SIGTERM says GOODBYE and ends it. ADDRESS: what its DHT would find, host:port, or host for the
mesh's port. What it leaves out of the Go peer: the DHT itself, STUN (it learns its host from REPLYs), relaying and introducing.
"""

import asyncio
import base64
import json
import signal
import socket
import struct
import sys
import time

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from derivation import Mesh, parse_secret
from envelope import ANNOUNCEMENT, GOODBYE, KNOWN_PEER, PROTOCOL, Rejected, open_datagram, ordered, seal
from interface import Interface
from limiter import Limiter
from rendezvous import OFFER, PUNCH_AGAIN_S, START_AT_ONCE_S, chosen, is_public, pair_id
from store import Peer, Store, exchange_rule, join_endpoint, lan_rule, reflected_host, split_endpoint, transitive_rule

# PROTOCOL.md section 12.
RECONCILE_S = 5
LAN_S = 5
HELLO_RESEND_S = 0.1
HELLO_GIVE_UP_S = 4
CONTACT_AGAIN_S = 20
FOUND_AGAIN_S = 60
NEWER_HANDSHAKE_S = 10
HANDSHAKE_POLL_S = 0.25
SWEEP_S = 10
FRESH_HANDSHAKE_S = 120
GOODBYE_AGE_S = 60
LAN_PORT = 51830
LAN_BUFFER = 4096
WIREGUARD_PORT = 51820


def say(event: str, **fields) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


class GoPeer(asyncio.DatagramProtocol):
    def __init__(self, mesh: Mesh, interface: Interface, found: list[str]):
        private = X25519PrivateKey.generate()
        raw = serialization.Encoding.Raw
        self.private = private.private_bytes(raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
        public = private.public_key().public_bytes(raw, serialization.PublicFormat.Raw)
        self.key = base64.b64encode(public).decode()
        self.mesh = mesh
        self.found = found
        self.interface = interface
        self.store = Store(self.key)
        self.limiter = Limiter()
        self.own_host = "0.0.0.0"
        self.counts = {"opened": 0, "rejected": 0}
        self.unknown_members: set[str] = set()
        self.control: dict[str, str] = {}
        self.contacted: dict[str, float] = {}
        self.waiting: dict[str, asyncio.Event] = {}
        self.punched: dict[str, float] = {}
        self.tasks: set[asyncio.Task] = set()
        self.transport: asyncio.DatagramTransport | None = None

    # ---- start and stop -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, stop.set)
        ipv4, ipv6 = self.mesh.ipv4(self.key), self.mesh.ipv6(self.key)
        self.interface.up(self.private, WIREGUARD_PORT, [f"{ipv4}/16", f"{ipv6}/64"])
        probes = [await asyncio.start_server(answer_probe, host, self.mesh.probe_port) for host in (ipv4, ipv6)]
        await loop.create_datagram_endpoint(lambda: self, sock=control_socket(self.mesh.port))
        await loop.create_datagram_endpoint(lambda: LanListener(self), sock=lan_socket(self.mesh.group))
        for body in (self.announce_on_lan, self.reconcile, self.sweep, self.look_up):
            self.spawn(body())
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        self.spawn(self.answer_questions(reader))
        say("running", key=self.key, mesh_ip=ipv4, mesh_ipv6=ipv6)
        await stop.wait()
        for task in self.tasks:
            task.cancel()
        for probe in probes:
            probe.close()
        self.say_goodbye()
        self.transport.close()
        self.interface.down()
        say("stopped")

    def spawn(self, body) -> None:
        task = asyncio.ensure_future(body)
        self.tasks.add(task)
        task.add_done_callback(self.task_done)

    def task_done(self, task: asyncio.Task) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            say("failed", error=repr(task.exception()))

    async def answer_questions(self, reader: asyncio.StreamReader) -> None:
        while await reader.readline():
            say("status", peers={p.key: {"methods": p.methods, "endpoint": p.endpoint, "networks": p.networks}
                                 for p in self.store.active()},
                handshakes=self.interface.handshakes(), dropped=self.limiter.dropped, own_host=self.own_host,
                unknown_members=sorted(self.unknown_members), **self.counts)

    # ---- what it sends --------------------------------------------------------------------------------------------

    def announcement(self, with_peers: bool, observed: str = "") -> dict:
        known = [self.mention(peer) for peer in self.store.active()] if with_peers else []
        return ordered({
            "protocol": PROTOCOL, "wg_pubkey": self.key, "hostname": "go-peer",
            "mesh_ip": self.mesh.ipv4(self.key), "mesh_ipv6": self.mesh.ipv6(self.key),
            "wg_endpoint": join_endpoint(self.own_host, WIREGUARD_PORT), "timestamp": int(time.time()),
            "known_peers": known, "observed_endpoint": observed, "nat_type": "unknown",
        }, ANNOUNCEMENT)

    @staticmethod
    def mention(peer: Peer) -> dict:
        return ordered({
            "wg_pubkey": peer.key, "hostname": peer.hostname, "mesh_ip": peer.mesh_ip, "mesh_ipv6": peer.mesh_ipv6,
            "wg_endpoint": peer.endpoint, "introducer": peer.introducer, "nat_type": peer.nat_type,
        }, KNOWN_PEER)

    def send(self, datagram: bytes, target: str) -> None:
        host, port = split_endpoint(target)
        self.transport.sendto(datagram, (host if ":" in host else f"::ffff:{host}", port))

    async def announce_on_lan(self) -> None:
        while True:
            datagram = seal(self.mesh.gossip_key, "ANNOUNCE", self.announcement(with_peers=False))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as fresh:
                fresh.sendto(datagram, (self.mesh.group, LAN_PORT))
            await asyncio.sleep(LAN_S)

    async def exchange(self, target: str) -> bool:
        """Section 6.1: the same bytes every 100 ms until a REPLY from exactly that address, or 4 s."""
        datagram = seal(self.mesh.gossip_key, "HELLO", self.announcement(with_peers=True))
        answered = self.waiting[target] = asyncio.Event()
        deadline = time.monotonic() + HELLO_GIVE_UP_S
        while time.monotonic() < deadline and not answered.is_set():
            self.send(datagram, target)
            try:
                await asyncio.wait_for(answered.wait(), HELLO_RESEND_S)
            except asyncio.TimeoutError:
                pass
        self.waiting.pop(target, None)
        say("exchange", target=target, answered=answered.is_set())
        return answered.is_set()

    def control_endpoint(self, peer: Peer) -> str | None:
        parts = split_endpoint(peer.endpoint)
        return self.control.get(peer.key) or (join_endpoint(parts[0], self.mesh.port) if parts else None)

    def handshake_age(self, peer: Peer) -> float:
        return time.time() - self.interface.handshakes().get(peer.key, 0)

    def contacted_lately(self, target: str) -> bool:
        """Notes that it is contacted now, unless it was in the last 20 s."""
        lately = time.monotonic() - self.contacted.get(target, -CONTACT_AGAIN_S) < CONTACT_AGAIN_S
        if not lately:
            self.contacted[target] = time.monotonic()
        return lately

    def contact(self, peer: Peer) -> None:
        """Section 7.2: by introducers, or straight to the control endpoint when there are none."""
        if self.handshake_age(peer) < FRESH_HANDSHAKE_S:
            return
        introducers = self.introducers_for(peer)
        for introducer in introducers:
            if not self.contacted_lately(introducer):
                self.offer(introducer, peer)
        target = self.control_endpoint(peer)
        if not introducers and target and not self.contacted_lately(target):
            self.spawn(self.exchange(target))

    def introducers_for(self, target: Peer) -> list[str]:
        """Control endpoints."""
        able = []
        for peer in self.store.active():
            places = [split_endpoint(place or "") for place in (peer.endpoint, self.control_endpoint(peer))]
            met = any(method.startswith("dht") for method in peer.methods)
            if peer.key == target.key or not met or not all(place and is_public(place[0]) for place in places):
                continue
            seen = time.time() - peer.last_seen < FRESH_HANDSHAKE_S
            automatic = seen and peer.key in self.control and self.handshake_age(peer) < FRESH_HANDSHAKE_S
            if peer.introducer or automatic:
                able.append((peer.introducer, peer.key))
        return [self.control_endpoint(self.store.peers[key]) for key in chosen(able, self.key, target.key)]

    def offer(self, introducer: str, peer: Peer) -> None:
        payload = ordered({"protocol": PROTOCOL, "timestamp": int(time.time()), "from_pubkey": self.key,
                           "target_pubkey": peer.key, "pair_id": pair_id(self.key, peer.key)}, OFFER)
        say("offer", introducer=introducer, target=peer.key)
        self.send(seal(self.mesh.gossip_key, "RENDEZVOUS_OFFER", payload), introducer)

    async def punch(self, key: str, candidates: list[str], start: float) -> None:
        """Section 7.4: one candidate after the other."""
        await asyncio.sleep(max(0.0, start - time.time()))
        before = self.interface.handshakes().get(key, 0)
        for candidate in candidates:
            if await self.exchange(candidate) and await self.newer_handshake(key, before):
                say("punched", key=key, target=candidate)
                break
        self.punched[key] = time.monotonic()

    async def newer_handshake(self, key: str, before: float) -> bool:
        deadline = time.monotonic() + NEWER_HANDSHAKE_S
        while time.monotonic() < deadline:
            if self.interface.handshakes().get(key, 0) > before:
                return True
            await asyncio.sleep(HANDSHAKE_POLL_S)
        return False

    def say_goodbye(self) -> None:
        payload = ordered({"protocol": PROTOCOL, "timestamp": int(time.time()), "wg_pubkey": self.key}, GOODBYE)
        datagram = seal(self.mesh.gossip_key, "GOODBYE", payload)
        for target in {self.control_endpoint(peer) for peer in self.store.peers.values()} - {None}:
            self.send(datagram, target)

    # ---- what it receives -----------------------------------------------------------------------------------------

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, datagram: bytes, address) -> None:
        host, port = address[0].removeprefix("::ffff:"), address[1]
        if not self.limiter.allow(host):
            return
        opened = self.open(datagram)
        if opened is None:
            return
        kind, payload = opened
        if kind == "HELLO":
            self.on_hello(payload, host, port)
        elif kind == "REPLY":
            self.on_reply(payload, host, port)
        elif kind == "GOODBYE":
            self.on_goodbye(payload)
        elif kind == "RENDEZVOUS_START":
            self.on_start(payload)
        # ANNOUNCE only counts with --gossip, OFFER with --introducer.

    def open(self, datagram: bytes) -> tuple[str, dict] | None:
        try:
            kind, payload, unknown = open_datagram(self.mesh.gossip_key, datagram, time.time())
        except Rejected as reason:
            self.counts["rejected"] += 1
            say("rejected", reason=str(reason))
            return None
        self.counts["opened"] += 1
        self.unknown_members |= unknown
        return kind, payload

    def on_hello(self, payload: dict, host: str, port: int) -> None:
        if payload.get("wg_pubkey") == self.key:
            return
        self.note(payload, "dht", exchange_rule(payload.get("wg_endpoint", ""), host))
        self.note_known(payload)
        reply = self.announcement(with_peers=True, observed=join_endpoint(host, port))
        self.send(seal(self.mesh.gossip_key, "REPLY", reply), join_endpoint(host, port))

    def on_reply(self, payload: dict, host: str, port: int) -> None:
        source = join_endpoint(host, port)
        self.own_host = reflected_host(payload.get("observed_endpoint", "")) or self.own_host
        self.note_known(payload)
        self.note(payload, "dht", exchange_rule(payload.get("wg_endpoint", ""), host))
        if source in self.waiting:
            self.waiting[source].set()
            self.control[payload.get("wg_pubkey", "")] = source

    def on_goodbye(self, payload: dict) -> None:
        key = payload.get("wg_pubkey", "")
        if key not in ("", self.key) and abs(time.time() - payload.get("timestamp", 0)) <= GOODBYE_AGE_S:
            if self.store.peers.pop(key, None):
                say("goodbye", key=key)

    def on_start(self, payload: dict) -> None:
        key = payload.get("peer_pubkey", "")
        usable = [text for text in payload.get("peer_candidates", []) if split_endpoint(text)]
        again = time.monotonic() - self.punched.get(key, -PUNCH_AGAIN_S) < PUNCH_AGAIN_S
        if not usable or again or payload.get("pair_id") != pair_id(self.key, key):
            return
        self.punched[key] = time.monotonic()
        start = payload.get("start_at_unix_ms", 0) / 1000 or time.time() + START_AT_ONCE_S
        say("start", key=key, candidates=usable)
        self.spawn(self.punch(key, usable, start))

    def on_lan(self, datagram: bytes, host: str) -> None:
        opened = self.open(datagram)
        if opened and opened[1].get("wg_pubkey") != self.key:
            self.note(opened[1], "lan", lan_rule(opened[1].get("wg_endpoint", ""), host))

    def note_known(self, payload: dict) -> None:
        for peer in payload.get("known_peers", []):
            self.note(peer, "dht-transitive", transitive_rule(peer.get("wg_endpoint", "")))

    def note(self, fields: dict, method: str, endpoint: str) -> None:
        peer = self.store.observe(fields, method, endpoint)
        if peer:
            self.contact(peer)

    # ---- loops ----------------------------------------------------------------------------------------------------

    async def reconcile(self) -> None:
        while True:
            self.interface.apply({
                peer.key: (peer.endpoint, tuple(
                    [f"{peer.mesh_ip}/32"] + ([f"{peer.mesh_ipv6}/128"] if peer.mesh_ipv6 else []) + peer.networks
                ))
                for peer in self.store.active() if peer.mesh_ip and peer.endpoint
            }, self.mesh.psk)
            await asyncio.sleep(RECONCILE_S)

    async def look_up(self) -> None:
        """What is found in the DHT gets a HELLO, once a minute."""
        while True:
            for address in self.found:
                self.spawn(self.exchange(address if split_endpoint(address) else join_endpoint(address, self.mesh.port)))
            await asyncio.sleep(FOUND_AGAIN_S)

    async def sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            for peer in self.store.active():
                self.contact(peer)


class LanListener(asyncio.DatagramProtocol):
    def __init__(self, peer: GoPeer):
        self.peer = peer

    def datagram_received(self, datagram: bytes, address) -> None:
        self.peer.on_lan(datagram[:LAN_BUFFER], address[0])


async def answer_probe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Section 11.2: `ping` LF is answered with `pong` LF; ten silent seconds end it."""
    try:
        while line := await asyncio.wait_for(reader.readline(), 10):
            if line == b"ping\n":
                writer.write(b"pong\n")
    except (asyncio.TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()


def control_socket(port: int) -> socket.socket:
    """IPv4 and IPv6 on one socket."""
    control = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    control.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    control.setblocking(False)
    control.bind(("::", port))
    return control


def lan_socket(group: str) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setblocking(False)
    listener.bind((group, LAN_PORT))
    # The Go node joins on the system's default interface.
    membership = struct.pack("4s4s", socket.inet_aton(group), socket.inet_aton("0.0.0.0"))
    listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    return listener


def main() -> None:
    secret_file, folder, interface, *found = sys.argv[1:]
    mesh = Mesh.of(parse_secret(Path(secret_file).read_text()))
    asyncio.run(GoPeer(mesh, Interface(interface, Path(folder)), found).run())


if __name__ == "__main__":
    main()
