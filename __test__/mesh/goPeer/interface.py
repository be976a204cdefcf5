"""A real WireGuard interface, by Debian's wireguard-go and the tools `wg` and `ip`, as the Go peer drives it."""

import base64
import subprocess
import time

from pathlib import Path


class Interface:
    def __init__(self, name: str, folder: Path):
        self.name = name
        self.folder = folder
        self._process: subprocess.Popen | None = None
        self._applied: dict[str, tuple] = {}

    def up(self, private_key: bytes, port: int, addresses: list[str]) -> None:
        with (self.folder / "wireguard-go.log").open("w") as log:
            command = ["wireguard-go", "-f", self.name]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        socket = Path("/var/run/wireguard") / f"{self.name}.sock"
        deadline = time.monotonic() + 10
        while not socket.exists():
            if time.monotonic() > deadline:
                raise TimeoutError("wireguard-go made no interface")
            time.sleep(0.02)
        wg("set", self.name, "private-key", self._secret_file("private", private_key), "listen-port", str(port))
        for address in addresses:
            ip("address", "add", address, "dev", self.name, *(["nodad"] if ":" in address else []))
        ip("link", "set", self.name, "mtu", "1420", "up")

    def apply(self, wanted: dict[str, tuple[str, tuple[str, ...]]], psk: bytes) -> None:
        """Key to (endpoint, allowed IPs), as step 6 of a reconcile: unwanted ones go, changed ones are set."""
        for key in self._applied.keys() - wanted.keys():
            wg("set", self.name, "peer", key, "remove")
        for key, peer in wanted.items():
            if self._applied.get(key) != peer:
                endpoint, allowed = peer
                wg("set", self.name, "peer", key, "preshared-key", self._secret_file("psk", psk), "endpoint", endpoint,
                   "persistent-keepalive", "25", "allowed-ips", ",".join(sorted(allowed)))
        self._applied = wanted

    def handshakes(self) -> dict[str, int]:
        """Key to Unix seconds of the last handshake, 0 for none."""
        rows = wg("show", self.name, "latest-handshakes").splitlines()
        return {key: int(at) for key, at in (row.split("\t") for row in rows)}

    def down(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(10)

    def _secret_file(self, name: str, key: bytes) -> str:
        file = self.folder / name
        file.touch(mode=0o600)
        file.write_bytes(base64.b64encode(key))
        return str(file)


def wg(*arguments: str) -> str:
    return subprocess.run(["wg", *arguments], check=True, capture_output=True, text=True).stdout


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
