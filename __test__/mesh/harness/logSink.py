"""Binds a Unix datagram socket, as a log service does, and prints what comes, one datagram a line, as JSON in base64.

usage: logSink.py PATH; the end of standard input ends it
"""
import base64
import json
import os
import select
import socket
import sys

sink = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
sink.bind(sys.argv[1])
print(json.dumps({"ready": True}), flush=True)
while True:
    ready, _, _ = select.select([sink, sys.stdin], [], [])
    if sink not in ready:
        break
    data, descriptors, _, _ = socket.recv_fds(sink, 1 << 20, 1)
    for descriptor in descriptors:
        # Not read: its place is where the writer left it.
        data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        os.close(descriptor)
    text = base64.b64encode(data).decode()
    print(json.dumps({"data": text, "asFile": len(descriptors) > 0}), flush=True)
os.unlink(sys.argv[1])
