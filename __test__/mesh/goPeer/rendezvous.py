"""Who introduces whom: PROTOCOL.md sections 4.3, 4.4 and 7."""

import ipaddress

OFFER = (("protocol", False), ("timestamp", False), ("from_pubkey", False), ("target_pubkey", False), ("pair_id", False))
PUNCH_AGAIN_S = 6
START_AT_ONCE_S = 0.1
MAX_INTRODUCERS = 3
PRIVATE = tuple(ipaddress.ip_network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))


def pair_seed(one: str, other: str) -> int:
    """FNV-1a, 64 bits."""
    seed = 0xCBF29CE484222325
    for byte in b"\0".join(sorted((one.encode(), other.encode()))):
        seed = ((seed ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return seed


def pair_id(one: str, other: str) -> str:
    return f"{pair_seed(one, other):016x}"


def is_public(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host != ""
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        return False
    return not any(address in net for net in PRIVATE if net.version == address.version)


def chosen(candidates: list[tuple[bool, str]], one: str, other: str) -> list[str]:
    """Keys of up to three of (explicit, key), beginning where the pair's seed says."""
    order = [key for _, key in sorted((not explicit, key) for explicit, key in candidates)]
    start = pair_seed(one, other) % len(order) if order else 0
    return (order[start:] + order[:start])[:MAX_INTRODUCERS]
