"""Runs a command on a pseudo-terminal of its own and copies what it shows: onTerminal.py COLUMNS ROWS SECONDS COMMAND…

After SECONDS (0 for never) it presses Ctrl-C. Ends with the command's exit code, or 128 + its signal.
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time

columns, rows, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    os.execvp(sys.argv[4], sys.argv[4:])

deadline = time.monotonic() + seconds if seconds > 0 else None
while True:
    wait = None if deadline is None else max(0, deadline - time.monotonic())
    ready, _, _ = select.select([terminal], [], [], wait)
    if not ready:
        os.write(terminal, b"\x03")
        deadline = None
        continue
    try:
        data = os.read(terminal, 65536)
    except OSError:
        data = b""
    if not data:
        break
    os.write(1, data)

_, status = os.waitpid(pid, 0)
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
