"""Messages that somebody can make who knows a device's public key and that of one of its peers, but no private key.

Names and steps are those of sections 5.4.2 to 5.4.7 of the WireGuard paper. Written apart from the code under test.
"""

import hashlib
import hmac
import os
import struct

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
EPHEMERALS = 64
ZERO_NONCE = bytes(12)
# Type, sender, ephemeral, static with tag, timestamp with tag.
BEFORE_MAC1 = 4 + 4 + 32 + 48 + 28


def blake2s(*parts: bytes) -> bytes:
    return hashlib.blake2s(b"".join(parts)).digest()


def mac(key: bytes, data: bytes) -> bytes:
    return hashlib.blake2s(data, key=key, digest_size=16).digest()


def kdf(key: bytes, data: bytes, count: int) -> list[bytes]:
    secret = hmac.new(key, data, hashlib.blake2s).digest()
    keys = [b""]
    for number in range(1, count + 1):
        keys.append(hmac.new(secret, keys[-1] + bytes([number]), hashlib.blake2s).digest())
    return keys[1:]


class Forger:
    """Initiations to `device` that claim to be from `peer`. They cost the device all a real one costs up to its timestamp."""

    def __init__(self, device: bytes, peer: bytes) -> None:
        self.device = device
        self.mac1_key = blake2s(b"mac1----", device)
        self.cookie_key = blake2s(b"cookie--", device)
        self.beginnings = [self._beginning(peer) for _ in range(EPHEMERALS)]
        self.cookie = b""
        self._mac1 = bytes(16)

    def _beginning(self, peer: bytes) -> bytes:
        ephemeral = X25519PrivateKey.generate()
        public = ephemeral.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        chain = blake2s(CONSTRUCTION)
        transcript = blake2s(blake2s(chain, IDENTIFIER), self.device)
        (chain,) = kdf(chain, public, 1)
        transcript = blake2s(transcript, public)
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(self.device))
        _, key = kdf(chain, shared, 2)
        return public + ChaCha20Poly1305(key).encrypt(ZERO_NONCE, peer, transcript)

    def initiation(self, number: int) -> bytes:
        """Another one for every number; with a MAC2 once there is a cookie. The timestamp is chance: nobody could forge it."""
        message = struct.pack("<II", 1, number & 0xFFFFFFFF) + self.beginnings[number % EPHEMERALS] + os.urandom(28)
        self._mac1 = mac(self.mac1_key, message)
        message += self._mac1
        return message + (mac(self.cookie, message) if self.cookie else bytes(16))

    def take_cookie(self, reply: bytes) -> bool:
        """Opens the reply to the last initiation; false when it is for another one."""
        nonce, sealed = reply[8:32], reply[32:64]
        key = hchacha20(self.cookie_key, nonce[:16])
        try:
            self.cookie = ChaCha20Poly1305(key).decrypt(bytes(4) + nonce[16:], sealed, self._mac1)
        except Exception:  # noqa: BLE001 (InvalidTag, and what other versions of the library raise in its place)
            return False
        return True


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """The key for XChaCha20 (draft-irtf-cfrg-xchacha, section 2.2)."""
    state = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))

    def quarter(a: int, b: int, c: int, d: int) -> None:
        for first, second, third, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[first] = (state[first] + state[second]) & 0xFFFFFFFF
            mixed = state[third] ^ state[first]
            state[third] = ((mixed << turn) | (mixed >> (32 - turn))) & 0xFFFFFFFF

    for _ in range(10):
        for column in range(4):
            quarter(column, column + 4, column + 8, column + 12)
        for diagonal in range(4):
            quarter(diagonal, (diagonal + 1) % 4 + 4, (diagonal + 2) % 4 + 8, (diagonal + 3) % 4 + 12)
    return struct.pack("<8I", *state[:4], *state[12:])
