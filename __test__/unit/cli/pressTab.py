"""Types a line into a real shell on a pseudo-terminal and prints what the shell ran.

python3 pressTab.py SHELL SCRIPT FOLDER, a line a line on standard input; `@` in a line stands for the tab key. Functions of the
names of our commands print what they are called with.
"""
import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time

LIMIT_SECONDS = 60

START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "bind 'set enable-bracketed-paste off'; PS1='> '; source {script}"),
    "zsh": (["zsh", "-f", "-i"], "unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -u -D; PS1='> '; source {script}"),
    "fish": (["fish", "--no-config", "-i"], "source {script}"),
}
FUNCTION = {
    "bash": "{name}() {{ echo \"RAN:$*:\"; }}",
    "zsh": "{name}() {{ echo \"RAN:$*:\" }}",
    "fish": "function {name}; echo \"RAN:$argv:\"; end",
}


class Shell:
    def __init__(self, name, script, folder):
        self.output = b""
        command, setup = START[name]
        ours, theirs = pty.openpty()
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "TERM": "dumb", "LC_ALL": "C.UTF-8", "fish_greeting": ""}
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self.terminal = ours
        self.run(setup.format(script=script))
        for binary in ("wgmesh", "wgmeshd"):
            self.run(FUNCTION[name].format(name=binary))

    def run(self, line):
        """A whole line without completion, to its end."""
        self.write(line + "\n")
        # Only the shell itself can make this text: it is not what is typed.
        self.write("echo do''ne\n")
        self.until(rb"(?m)^done\r?$")

    def complete(self, line):
        for part in re.split("(@)", line):
            if part == "@":
                self.write("\t")
                self.settle()
            else:
                self.write(part)
        self.write("\n")
        return self.until(rb"RAN:([^\r\n]*):").group(1).decode()

    def write(self, text):
        os.write(self.terminal, text.encode())

    def settle(self):
        """Until the shell has said nothing for a while."""
        while select.select([self.terminal], [], [], 0.3)[0]:
            self.output += os.read(self.terminal, 65536)

    def until(self, pattern):
        limit = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < limit:
            found = re.search(pattern, self.output)
            if found:
                self.output = self.output[found.end() :]
                return found
            if select.select([self.terminal], [], [], 0.2)[0]:
                self.output += os.read(self.terminal, 65536)
        raise TimeoutError(repr(self.output[-2000:]))

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


shell = Shell(*sys.argv[1:4])
try:
    for line in sys.stdin.read().splitlines():
        print(shell.complete(line), flush=True)
finally:
    shell.close()
