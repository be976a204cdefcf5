"""Datagrams: PROTOCOL.md sections 3 and 4, byte for byte as Go's encoding/json writes them."""

import base64
import json
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PROTOCOL = "wgmesh-v1"
MAX_AGE_S = 600

# Member order of a payload, and which members are left out when empty (section 4.1 and 4.2).
ANNOUNCEMENT = (
    ("protocol", False), ("wg_pubkey", False), ("hostname", True), ("mesh_ip", False), ("mesh_ipv6", True),
    ("wg_endpoint", False), ("introducer", True), ("routable_networks", True), ("timestamp", False),
    ("known_peers", True), ("observed_endpoint", True), ("nat_type", True),
)
KNOWN_PEER = (
    ("wg_pubkey", False), ("hostname", True), ("mesh_ip", False), ("mesh_ipv6", True), ("wg_endpoint", False),
    ("introducer", True), ("nat_type", True),
)
GOODBYE = (("protocol", False), ("timestamp", False), ("wg_pubkey", False))

TYPES = {
    "protocol": str, "wg_pubkey": str, "hostname": str, "mesh_ip": str, "mesh_ipv6": str, "wg_endpoint": str,
    "introducer": bool, "routable_networks": list, "timestamp": int, "known_peers": list,
    "observed_endpoint": str, "nat_type": str,
}
RENDEZVOUS_TYPES = {
    "protocol": str, "timestamp": int, "from_pubkey": str, "target_pubkey": str, "pair_id": str, "candidates": list,
    "observed_addr": str, "introducer_key": str, "peer_pubkey": str, "peer_candidates": list, "start_at_unix_ms": int,
}
ZERO = {str: "", bool: False, int: 0, list: []}


class Rejected(Exception):
    """A datagram that a receiver drops."""


def go_json(value) -> bytes:
    """Compact JSON with the HTML-safe escapes of encoding/json."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


def ordered(fields: dict, layout) -> dict:
    """The members in Go's struct order, `omitempty` ones only when they are not empty."""
    types = TYPES | RENDEZVOUS_TYPES
    full = {name: fields.get(name, ZERO[types[name]]) for name, _ in layout}
    return {name: full[name] for name, omit_empty in layout if full[name] or not omit_empty}


def seal(key: bytes, kind: str, payload: dict, nonce: bytes | None = None) -> bytes:
    nonce = os.urandom(12) if nonce is None else nonce
    ciphertext = AESGCM(key).encrypt(nonce, go_json(payload), None)
    text = {"nonce": base64.b64encode(nonce).decode(), "ciphertext": base64.b64encode(ciphertext).decode()}
    return go_json({"type": kind, **text})


def open_datagram(key: bytes, datagram: bytes, now: float) -> tuple[str, dict, set[str]]:
    """Type, payload, and the member names this protocol version does not know. Raises Rejected."""
    try:
        wrapper = fold_names(json.loads(datagram.decode()))
        nonce, ciphertext = (go_base64(wrapper[name]) for name in ("nonce", "ciphertext"))
        if len(nonce) != 12:
            raise Rejected("nonce length")
        text = AESGCM(key).decrypt(nonce, ciphertext, None).decode()
        payload = fold_names(json.loads(text, parse_float=not_an_integer))
    except (ValueError, KeyError, TypeError, AttributeError, InvalidTag) as error:
        raise Rejected(type(error).__name__) from error
    if payload.get("protocol") != PROTOCOL:
        raise Rejected("protocol")
    kind = str(wrapper.get("type", ""))
    types = RENDEZVOUS_TYPES if kind.startswith("RENDEZVOUS_") else TYPES
    known = {name: checked(name, value, types) for name, value in payload.items() if name in types}
    if abs(int(now) - known.get("timestamp", 0)) > MAX_AGE_S:
        raise Rejected("timestamp")
    return kind, known, payload.keys() - types.keys()


def fold_names(value: dict) -> dict:
    """Go matches names without regard to case, the last of several wins, and null equals absent."""
    return {name.lower(): member for name, member in value.items() if member is not None}


def go_base64(text: str) -> bytes:
    return base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)


def not_an_integer(text: str):
    raise Rejected(f"{text} is not an integer")


def checked(name: str, value, types: dict = TYPES):
    wanted = types[name]
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise Rejected(f"type of {name}")
    if name == "known_peers":
        return [{n: checked(n, v) for n, v in fold_names(peer).items() if n in TYPES} for peer in value]
    return value
