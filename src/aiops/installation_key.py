"""A secret of this installation, for keyed hashes: who asked is known again without being known.

It lies in the data folder, apart from a database elsewhere, and is made at the first need. Without it the hashes in
the store cannot be tried out name by name; if it is lost, tickets are no longer found by their requester.
"""

import hashlib
import hmac
import os
import secrets
import threading
from pathlib import Path

from aiops.errors import OverloadError

SIZE = 32


class InstallationKey:
    """Thread-safe. `path`: where the secret lies."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._secret = b""

    def digest(self, purpose: str, value: str) -> str:
        """HMAC-SHA256 in hex; the same value has another digest for another purpose. Raises OverloadError where the
        secret can be neither read nor made."""
        message = f"{purpose}\0{value}".encode("utf-8", "surrogatepass")
        return hmac.new(self._bytes(), message, hashlib.sha256).hexdigest()

    def _bytes(self) -> bytes:
        with self._lock:
            if not self._secret:
                try:
                    self._secret = self._read_or_made()
                except OSError as error:
                    raise OverloadError(f"{self._path}: {error.strerror}; tickets cannot be kept without it") from None
            return self._secret

    def _read_or_made(self) -> bytes:
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            found = self._path.read_bytes()
            if len(found) == SIZE:
                return found
            raise OverloadError(f"{self._path} is damaged: put back its copy, or remove it to begin anew") from None
        secret = secrets.token_bytes(SIZE)
        with os.fdopen(handle, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        return secret
