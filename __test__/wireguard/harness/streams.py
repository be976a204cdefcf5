"""usage: streams.py serve ADDRESS | streams.py send ADDRESS PORT STREAMS BYTES

serve prints its port and answers each TCP connection, once the other side has sent all, with length and CRC-32 of what
came. send opens STREAMS connections at the same time, sends BYTES through each, and fails unless all were answered rightly.
"""

import os
import socket
import sys
import threading
import zlib

CHUNK = 1 << 20
LIMIT_SECONDS = 60


def serve(address: str) -> None:
    server = socket.create_server((address, 0), family=family(address), backlog=128)
    print(server.getsockname()[1], flush=True)
    while True:
        connection, _ = server.accept()
        threading.Thread(target=answer, args=[connection], daemon=True).start()


def answer(connection: socket.socket) -> None:
    connection.settimeout(LIMIT_SECONDS)
    length = check = 0
    while data := connection.recv(CHUNK):
        length += len(data)
        check = zlib.crc32(data, check)
    connection.sendall(f"{length} {check}".encode())
    connection.close()


def send(address: str, port: str, streams: str, size: str) -> None:
    wrong: list[str] = []
    threads = [
        threading.Thread(target=one_stream, args=[address, int(port), int(size), wrong]) for _ in range(int(streams))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        sys.exit("\n".join(wrong))


def one_stream(address: str, port: int, size: int, wrong: list[str]) -> None:
    try:
        chunk = os.urandom(min(CHUNK, size))
        check = left = 0
        with socket.create_connection((address, port), LIMIT_SECONDS) as connection:
            for left in range(size, 0, -CHUNK):
                part = chunk[:left]
                connection.sendall(part)
                check = zlib.crc32(part, check)
            connection.shutdown(socket.SHUT_WR)
            got = b"".join(iter(lambda: connection.recv(100), b"")).decode()
        if got != f"{size} {check}":
            wrong.append(f"sent {size} {check}, received {got}")
    except OSError as error:
        wrong.append(str(error))


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


{"serve": serve, "send": send}[sys.argv[1]](*sys.argv[2:])
