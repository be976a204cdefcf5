"""Binding requests and their answers (RFC 8489), with what RFC 5780 adds: enough for a client that looks at NATs."""

import os
import socket
import struct

MAGIC = 0x2112A442
BINDING_REQUEST, BINDING_RESPONSE = 0x0001, 0x0101
MAPPED_ADDRESS, CHANGE_REQUEST, XOR_MAPPED_ADDRESS = 0x0001, 0x0003, 0x0020
OTHER_ADDRESS = 0x802C
CHANGE_IP, CHANGE_PORT = 0x04, 0x02

Endpoint = tuple[str, int]


def request(change: int = 0) -> bytes:
    attributes = struct.pack("!HHI", CHANGE_REQUEST, 4, change) if change else b""
    return struct.pack("!HHI", BINDING_REQUEST, len(attributes), MAGIC) + os.urandom(12) + attributes


def answers(data: bytes, to: bytes) -> bool:
    """True when `data` is a success response to the request `to`."""
    return len(data) >= 20 and data[:2] == BINDING_RESPONSE.to_bytes(2, "big") and data[4:20] == to[4:20]


def attribute(data: bytes, wanted: int) -> bytes | None:
    at = 20
    while at + 4 <= len(data):
        kind, length = struct.unpack_from("!HH", data, at)
        if kind == wanted:
            return data[at + 4 : at + 4 + length]
        at += 4 + (length + 3 & ~3)
    return None


def mapped(data: bytes) -> Endpoint:
    """The client's address as the server saw it; IPv4 only."""
    value = attribute(data, XOR_MAPPED_ADDRESS)
    if value is None:
        raise ValueError("no XOR-MAPPED-ADDRESS")
    port, address = struct.unpack_from("!xxHI", value)
    return socket.inet_ntoa(struct.pack("!I", address ^ MAGIC)), port ^ (MAGIC >> 16)


def other(data: bytes) -> Endpoint | None:
    value = attribute(data, OTHER_ADDRESS)
    return None if value is None else (socket.inet_ntoa(value[4:8]), struct.unpack_from("!H", value, 2)[0])
