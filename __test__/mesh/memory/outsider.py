"""What another process of the same user gets of a process.

look PID           tries to, and prints one JSON object: who owns its files in /proc, and the errno name of each attempt, or "done"
watch COMMAND...   starts it with core dumps allowed, and when it has ended prints how: {"signal": ..., "core": ...}
control            a process that protects itself by nothing, as one that has been looked at and was ended as the others are
"""
import ctypes
import errno
import json
import os
import resource
import signal
import subprocess
import sys

PTRACE_ATTACH = 16
PTRACE_DETACH = 17


def attempt(call):
    try:
        call()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]


def read(pid, name):
    with open(f"/proc/{pid}/{name}", "rb") as file:
        if name == "mem":
            return
        file.read(64)


def attach(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(PTRACE_ATTACH, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(pid, 0x40000000)  # __WALL: it stops before it can be let go
    libc.ptrace(PTRACE_DETACH, pid, None, None)


def look(pid):
    seen = {"owner": os.stat(f"/proc/{pid}/environ").st_uid}
    for name in ["environ", "maps", "mem"]:
        seen[name] = attempt(lambda: read(pid, name))
    seen["ptrace"] = attempt(lambda: attach(pid))
    return seen


def watch(command):
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    child = os.fork()
    if child == 0:
        os.execvp(command[0], command)
    _, status = os.waitpid(child, 0)
    ended = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else None
    return {"signal": ended, "core": os.WCOREDUMP(status)}


def control():
    # As a child: where Yama is on, only ancestors may attach.
    child = subprocess.Popen([sys.executable, "-c", "print('up', flush=True); import time; time.sleep(60)"], stdout=subprocess.PIPE)
    child.stdout.readline()
    seen = look(child.pid)
    child.send_signal(signal.SIGABRT)
    _, status = os.waitpid(child.pid, 0)
    return {**seen, "core": os.WCOREDUMP(status)}


answers = {"look": lambda: look(int(sys.argv[2])), "watch": lambda: watch(sys.argv[2:]), "control": control}
print(json.dumps(answers[sys.argv[1]]()), flush=True)
