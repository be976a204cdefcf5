"""The peer store and the endpoint rules of the Go peer: PROTOCOL.md sections 5.1 and 10."""

import ipaddress
import time

from dataclasses import dataclass, field

ACTIVE_S = 300
RANKS = {"lan": 100, "dht": 70, "dht-transitive": 40}


@dataclass
class Peer:
    key: str
    hostname: str = ""
    mesh_ip: str = ""
    mesh_ipv6: str = ""
    endpoint: str = ""
    endpoint_method: str = ""
    introducer: bool = False
    networks: list[str] = field(default_factory=list)
    nat_type: str = ""
    methods: list[str] = field(default_factory=list)
    last_seen: float = 0.0

    @property
    def active(self) -> bool:
        return time.time() - self.last_seen < ACTIVE_S


class Store:
    def __init__(self, own_key: str):
        self.own_key = own_key
        self.peers: dict[str, Peer] = {}

    def observe(self, fields: dict, method: str, endpoint: str) -> Peer | None:
        key = fields.get("wg_pubkey", "")
        if key in ("", self.own_key):
            return None
        peer = self.peers.get(key)
        if peer is None:
            # A mention by a third party counts as seen when the peer is new (weak point 23).
            peer = self.peers[key] = Peer(key, last_seen=time.time())
        if endpoint and (not peer.endpoint or self._outranks(peer, method, endpoint)):
            peer.endpoint, peer.endpoint_method = endpoint, method
        for name, attribute in (("hostname", "hostname"), ("mesh_ip", "mesh_ip"), ("mesh_ipv6", "mesh_ipv6"),
                                ("nat_type", "nat_type"), ("routable_networks", "networks")):
            if fields.get(name):
                setattr(peer, attribute, fields[name])
        peer.introducer = fields.get("introducer", False)
        if method not in peer.methods:
            peer.methods.append(method)
        if "transitive" not in method:
            peer.last_seen = time.time()
        return peer

    @staticmethod
    def _outranks(peer: Peer, method: str, endpoint: str) -> bool:
        new, old = RANKS[method], RANKS.get(peer.endpoint_method, 0)
        stays_on_ipv6 = peer.endpoint.startswith("[") and not endpoint.startswith("[")
        return new > old or (new == old and not stays_on_ipv6)

    def active(self) -> list[Peer]:
        return [peer for peer in self.peers.values() if peer.active]


def split_endpoint(text: str) -> tuple[str, int] | None:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 1 <= int(port) <= 65535:
        return None
    return host.removeprefix("[").removesuffix("]"), int(port)


def join_endpoint(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def exchange_rule(advertised: str, source: str) -> str:
    parts = split_endpoint(advertised)
    if parts is None:
        return join_endpoint(source, 51820)
    return join_endpoint(source if parts[0] in ("", "0.0.0.0", "::") else parts[0], parts[1])


def lan_rule(advertised: str, source: str) -> str:
    parts = split_endpoint(advertised)
    return join_endpoint(source, parts[1] if parts else 51820)


def transitive_rule(advertised: str) -> str:
    parts = split_endpoint(advertised)
    return "" if parts is None or parts[0] in ("", "0.0.0.0", "::") else advertised


def reflected_host(observed: str) -> str | None:
    """Section 5.2: only the IP counts, and only a public one."""
    parts = split_endpoint(observed)
    try:
        address = ipaddress.ip_address(parts[0]) if parts else None
    except ValueError:
        return None
    if address is None or address.is_loopback or address.is_link_local:
        return None
    private = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
    inside = any(address in ipaddress.ip_network(net) for net in private if (":" in net) == (address.version == 6))
    return None if inside else str(address)
