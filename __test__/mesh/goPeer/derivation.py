"""What follows from a mesh secret: PROTOCOL.md sections 1 and 2, written without looking at wgmesh's own code."""

import hashlib
import hmac
import ipaddress

from dataclasses import dataclass

PREFIX = "wgmesh://"


def parse_secret(text: str) -> bytes:
    """Section 1: the URI's version is cut off unread, and the query only when there is a version."""
    text = text.strip()
    if text.startswith(PREFIX):
        version, slash, rest = text[len(PREFIX):].partition("/")
        text = rest.partition("?")[0] if slash else version
    secret = text.encode()
    if len(secret) < 16:
        raise ValueError("the secret is shorter than 16 bytes")
    return secret


def hkdf(secret: bytes, info: str, length: int) -> bytes:
    """HKDF-SHA256 without salt (RFC 5869), spelled out."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    output, block = b"", b""
    for counter in range(1, 256):
        block = hmac.digest(extracted, block + info.encode() + bytes([counter]), "sha256")
        output += block
        if len(output) >= length:
            break
    return output[:length]


@dataclass(frozen=True)
class Mesh:
    """Section 2: everything but the network id, which only the DHT uses."""

    secret: bytes
    gossip_key: bytes
    subnet: bytes
    ipv6_prefix: bytes
    group: str
    psk: bytes
    port: int

    @classmethod
    def of(cls, secret: bytes) -> "Mesh":
        multicast = hkdf(secret, "wgmesh-mcast-v1", 4)
        return cls(
            secret=secret,
            gossip_key=hkdf(secret, "wgmesh-gossip-v1", 32),
            subnet=hkdf(secret, "wgmesh-subnet-v1", 2),
            ipv6_prefix=b"\xfd" + hkdf(secret, "wgmesh-ipv6-prefix-v1", 7),
            group=f"239.192.{multicast[0]}.{multicast[1]}",
            psk=hkdf(secret, "wgmesh-wg-psk-v1", 32),
            port=51821 + int.from_bytes(hkdf(secret, "wgmesh-gossip-port-v1", 2), "big") % 1000,
        )

    @property
    def probe_port(self) -> int:
        return self.port + 2000

    def ipv4(self, key: str) -> str:
        digest = hashlib.sha256(key.encode() + self.secret).digest()
        last = {0: 1, 255: 254}.get(digest[1], digest[1])
        return f"10.{self.subnet[0]}.{digest[0] ^ self.subnet[1]}.{last}"

    def ipv6(self, key: str) -> str:
        digest = hashlib.sha256(f"{key}|".encode() + self.secret + b"|ipv6").digest()
        interface = bytearray(digest[:8])
        interface[0] = (interface[0] | 0x02) & 0xFE
        if not any(interface):
            interface[7] = 1
        return str(ipaddress.IPv6Address(self.ipv6_prefix + bytes(interface)))
