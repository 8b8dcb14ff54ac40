"""One connection to an SFTP server, as a thread uses it: paramiko blocks, so nothing in here is of Trio's.

It owns that only a known server is spoken to, and what is done to files there. Who asks, and what a broken
connection means, is `sftp`.
"""

import io
import logging
import math
import socket
from collections.abc import Sequence
from contextlib import suppress

import paramiko

from adapters.erps.divalto import host_keys
from adapters.erps.divalto.files_settings import SftpSettings
from adapters.erps.divalto.folders import CLOCK, FILE_BYTES_MAX, bounded, part_of

logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # whatever it tells as an error it raises as well

KEEP_ALIVE_SECONDS = 30
"""Below what firewalls give an idle connection."""

READ_AHEAD_BYTES = 64 * 1024
"""From this size on several requests are under way at once, else each 32 KiB would wait for an answer."""

BROKEN = (
    EOFError,
    ConnectionError,
    TimeoutError,
    paramiko.SSHException,
    paramiko.SFTPError,
    UnicodeDecodeError,
)
"""What says that the connection is of no use any more; paramiko has plain OSErrors for that as well. An
SFTPError is an answer that is no SFTP, such as the greeting of a login script. Of a text that is no UTF-8 it
is not known what was refused, and what was being listed is still open at the server."""


class UntrustedError(Exception):
    """The server is not to be spoken to, or will not speak to us; trying again does not help."""


class Session:
    """A connection that is opened once. Every method but `abort` blocks.

    Args:
        settings: the server's.
    """

    def __init__(self, settings: SftpSettings) -> None:
        self._settings = settings
        self._aborted = False
        self._socket: socket.socket | None = None
        self._transport: paramiko.Transport | None = None
        self._client: paramiko.SFTPClient | None = None

    @property
    def is_alive(self) -> bool:
        """Whether the connection is still of use: a server may end SFTP in it alone."""
        channel = None if self._client is None else self._client.get_channel()
        return channel is not None and not channel.closed

    def abort(self) -> None:
        """Close the connection at once; whatever thread waits for it gets an error. It does not block."""
        self._aborted = True
        if self._transport is not None:
            self._transport.close()
        if self._socket is not None:
            self._socket.close()

    def open(self) -> None:
        """Connect, see that it is the right server, and log in; what fails leaves nothing open.

        Raises:
            UntrustedError: the key or the account is wrong.
            OSError, EOFError, SSHException: it cannot be reached.
        """
        try:
            self._open()
        except BaseException:
            self.abort()
            raise

    def _open(self) -> None:
        settings = self._settings
        at = (settings.host, settings.port)
        self._socket = socket.create_connection(at, timeout=settings.seconds_max)
        self._transport = transport = paramiko.Transport(self._socket)
        if self._aborted:  # while it connected: nobody waits for it any more
            raise EOFError
        transport.banner_timeout = transport.auth_timeout = settings.seconds_max
        known = [host_keys.read(entry) for entry in settings.host_keys]
        if wanted := host_keys.algorithms(known):
            transport.get_security_options().key_types = wanted
        transport.start_client(timeout=settings.seconds_max)
        shown = host_keys.fingerprint(transport.get_remote_server_key().asbytes())
        if shown not in [key.fingerprint for key in known]:
            raise UntrustedError(f"its host key {shown} is none of files.sftp.host_keys")
        self._log_in(transport)
        transport.set_keepalive(KEEP_ALIVE_SECONDS)
        self._client = paramiko.SFTPClient.from_transport(transport)
        if self._client is None:
            raise EOFError
        channel = self._client.get_channel()
        if channel is not None:
            channel.settimeout(settings.seconds_max)

    def _log_in(self, transport: paramiko.Transport) -> None:
        settings, left = self._settings, list[str]()
        try:
            if settings.key.reveal():
                left = transport.auth_publickey(settings.user, private_key(settings))
            if settings.password.reveal() and (left or not settings.key.reveal()):
                left = transport.auth_password(settings.user, settings.password.reveal(), fallback=False)
        except paramiko.AuthenticationException as error:
            raise UntrustedError("it does not take the account") from error
        if left:
            raise UntrustedError(f"it asks for {' and '.join(left)} besides")

    # --- files ---

    def names(self, folder: str) -> list[str]:
        """See `Folders.names`."""
        return [name for name in self._sftp.listdir(folder) if not name.startswith(".")]

    def exists(self, folder: str, name: str) -> bool:
        """See `Folders.exists`."""
        try:
            self._sftp.stat(f"{folder}/{name}")
        except FileNotFoundError:
            return False
        return True

    def prepare(self, folder: str, name: str, content: bytes) -> bool:
        """Write a file under the name of its part; return False, and do nothing, if it is there already."""
        if self.exists(folder, name):
            return False
        part = f"{folder}/{part_of(name)}"
        with self._sftp.open(part, "wb") as file:
            file.write(content)
        if self._sftp.stat(part).st_size != len(content):
            raise OSError("what was written is not what stands there")
        return True

    def reveal(self, folder: str, name: str) -> bool:
        """Give a file its name at once: a plain rename, as it replaces nothing that is there.

        Return False where the part is gone; where the name is taken a file of that name waits already.
        """
        part = f"{folder}/{part_of(name)}"
        try:
            self._sftp.rename(part, f"{folder}/{name}")
        except FileNotFoundError:
            return False
        except BROKEN:
            raise
        except OSError:
            if not self.is_alive or not self.exists(folder, name):
                raise
            self.remove(folder, part_of(name))
        return True

    def remove(self, folder: str, name: str) -> None:
        """See `Folders.remove`."""
        with suppress(FileNotFoundError):
            self._sftp.remove(f"{folder}/{name}")

    def read(self, folder: str, name: str, since: float | None) -> bytes | None:
        """See `Folders.read`; times are whole seconds here, so `since` ends with its second."""
        try:
            file = self._sftp.open(f"{folder}/{name}", "rb")
        except FileNotFoundError:
            return None
        with file:
            seen = file.stat()
            if since is not None and (seen.st_mtime or 0) <= math.ceil(since):
                return None
            size = seen.st_size or 0
            if size > FILE_BYTES_MAX:
                raise OSError(f"it is over {FILE_BYTES_MAX} bytes")
            if size > READ_AHEAD_BYTES:
                file.prefetch(size)
            return bounded(bytes(file.read(FILE_BYTES_MAX + 1)))

    def clock(self, folder: str) -> float:
        """See `Folders.clock`: the beginning of the second, which may be a second ago."""
        path = f"{folder}/{CLOCK}"
        with self._sftp.open(path, "wb") as file:
            file.write(b"\n")
        return float(self._sftp.stat(path).st_mtime or 0)

    @property
    def _sftp(self) -> paramiko.SFTPClient:
        if self._client is None:
            raise EOFError
        return self._client


_KINDS: Sequence[type[paramiko.PKey]] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


def private_key(settings: SftpSettings) -> paramiko.PKey:
    """Read the private key of the settings, of whatever type.

    Raises:
        UntrustedError: it is none, or its passphrase is wrong.
    """
    passphrase = settings.passphrase.reveal() or None
    for kind in _KINDS:
        try:
            return kind.from_private_key(io.StringIO(settings.key.reveal() + "\n"), password=passphrase)
        except paramiko.PasswordRequiredException:
            raise UntrustedError("files.sftp.key wants a passphrase") from None
        except (paramiko.SSHException, ValueError, IndexError, AssertionError):
            continue  # of another type, or damaged, which paramiko has assertions for as well
    raise UntrustedError("files.sftp.key is no private key that its passphrase opens")
