"""usage: datagrams.py sniff LINK | datagrams.py send

sniff prints "ready", then each WireGuard datagram that passes the link as a line of JSON: out (sent from here), source,
target, length of the IP packet, payload in hex. IP fragments after the first have no payload that can be told apart and
are passed over.
send reads lines "SOURCE PORT TARGET PORT HEX" and sends IPv4 datagrams that carry this source, whoever has it; a line
without words is answered with "sent".
"""

import json
import socket
import struct
import sys

ETH_P_ALL = 3
ETHERNET_HEADER = 14
FRAME = 1 << 16
UDP = socket.IPPROTO_UDP


def sniff(link: str) -> None:
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    tap.bind((link, ETH_P_ALL))
    print("ready", flush=True)
    while True:
        frame, (_, _, kind, _, _) = tap.recvfrom(FRAME)
        found = udp_of(frame[ETHERNET_HEADER:])
        # The first byte of a message is its type, followed by three zeros (section 5.4 of the paper).
        if found and found["payload"][1:4] == bytes(3) and 1 <= found["payload"][0] <= 4:
            found["payload"] = found["payload"].hex()
            print(json.dumps({"out": kind == socket.PACKET_OUTGOING, **found}), flush=True)


def udp_of(packet: bytes) -> dict | None:
    if packet[0] >> 4 == 4:
        header = (packet[0] & 15) * 4
        offset = struct.unpack_from("!H", packet, 6)[0] & 0x1FFF
        protocol, length = packet[9], struct.unpack_from("!H", packet, 2)[0]
        family, source, target = socket.AF_INET, packet[12:16], packet[16:20]
    else:
        header, offset, protocol = 40, 0, packet[6]
        length = 40 + struct.unpack_from("!H", packet, 4)[0]
        family, source, target = socket.AF_INET6, packet[8:24], packet[24:40]
    if protocol != UDP or offset != 0 or len(packet) < header + 12:
        return None
    from_port, to_port = struct.unpack_from("!HH", packet, header)
    return {
        "source": f"{socket.inet_ntop(family, source)} {from_port}",
        "target": f"{socket.inet_ntop(family, target)} {to_port}",
        "length": length,
        "payload": packet[header + 8 : length],
    }


def send() -> None:
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    for line in sys.stdin:
        if line.isspace():
            print("sent", flush=True)
            continue
        source, from_port, target, to_port, text = line.split()
        payload = bytes.fromhex(text)
        # No UDP checksum: IPv4 allows that. The kernel fills in length, identification and checksum of the IP header.
        udp = struct.pack("!HHHH", int(from_port), int(to_port), 8 + len(payload), 0)
        addresses = socket.inet_aton(source) + socket.inet_aton(target)
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, 0, 64, UDP, 0) + addresses
        raw.sendto(ip + udp + payload, (target, 0))


{"sniff": sniff, "send": send}[sys.argv[1]](*sys.argv[2:])
