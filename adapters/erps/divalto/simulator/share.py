"""The simulated site's SFTP server: its folders as another machine sees them, and what goes wrong on the way.

It owns the server alone; the folders' files are `drop`'s. Its clock is not this machine's, and runs fast, as
SFTP tells times by the second. paramiko serves in threads of its own.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec
import paramiko
import trio
from paramiko import common, sftp

from adapters.erps.divalto import host_keys
from adapters.erps.divalto.files_settings import FileSettings, SftpSettings
from adapters.settings import Secret

_Done = TypeVar("_Done")

USER, PASSWORD = "wharfinger", "a share's password"
CLOCK_BEGAN = 1_000_000_000.0
CLOCK_SPEED = 50.0
"""Seconds of the share's in one of ours: a test that waits for its next second waits 20 ms."""


class Share:
    """An SFTP server over one folder. `await nursery.start(share.serve)` makes it listen on loopback.

    Args:
        root: what is `/` there.

    Attributes:
        host_key: its key; another before `serve` makes it another server.
        takes_password, takes_key: how it lets its one user in; with both, both are wanted.
        client_key: the private key of that user, as OpenSSH writes it.
        connections: how many have been made.
        asked: how people have tried to log in, in order.
        delay_s: how long everything that is asked takes.
        greeting: what a login script writes before SFTP begins, where it should write nothing.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host_key: paramiko.PKey = paramiko.ECDSAKey.generate()
        self.takes_password, self.takes_key = True, False
        self.client_key = ""
        self.connections = 0
        self.asked: list[str] = []
        self.delay_s = 0.0
        self.greeting = b""
        self._port = 0
        self._began = time.time()
        self._transports: list[paramiko.Transport] = []
        self._subsystems: list[paramiko.Channel] = []
        self._plan: list[tuple[str, bool]] = []
        self._hooks: dict[str, Callable[[], object]] = {}
        self._lock = threading.Lock()

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        (listener,) = await trio.open_tcp_listeners(self._port, host="127.0.0.1")
        self._port = listener.socket.getsockname()[1]
        async with listener:
            task_status.started()
            try:
                while True:
                    stream = await listener.accept()
                    theirs = socket.socket(fileno=os.dup(stream.socket.fileno()))
                    await stream.aclose()
                    self._welcome(theirs)
            finally:
                self.hang_up()

    def seen_by(self, files: FileSettings) -> FileSettings:
        """Return the settings by which a client finds the same folders here."""
        server = SftpSettings(
            host="127.0.0.1",
            port=self._port,
            user=USER,
            password=Secret(PASSWORD if self.takes_password else ""),
            key=Secret(self.client_key),
            host_keys=(self.fingerprint,),
            seconds_max=5.0,
        )
        return msgspec.structs.replace(
            files, sftp=server, inbox="/inbox", rejected="/rejected", exports="/exports"
        )

    @property
    def fingerprint(self) -> str:
        """Its key as `ssh-keygen -l` tells it."""
        return host_keys.fingerprint(self.host_key.asbytes())

    # --- what goes wrong ---

    def lose_next(self, act: str, *, carried_out: bool = True) -> None:
        """Break the connection over the next `act` ("rename", "stat", "open", ...), carried out or not."""
        self._plan.append((act, carried_out))

    def after_next(self, act: str, do: Callable[[], object]) -> None:
        """Do something right after the next `act`, before its answer."""
        self._hooks[act] = do

    @property
    def planned(self) -> int:
        """How many breaks are still to come."""
        return len(self._plan)

    @property
    def open_connections(self) -> int:
        """How many of them are still open."""
        return sum(transport.is_active() for transport in self._transports)

    @property
    def open_subsystems(self) -> int:
        """In how many connections the client has not ended SFTP, or not yet seen that it ended here."""
        return sum(not channel.eof_received for channel in self._subsystems)

    def end_sftp(self) -> None:
        """End what serves SFTP in every connection, as a server's own process dies; the connections stay."""
        for channel in self._subsystems:
            channel.close()

    def hang_up(self) -> None:
        """Break every connection that there is."""
        for transport in self._transports:
            transport.close()
        self._transports.clear()

    # --- for the threads that serve ---

    def strikes(self, act: str, *, carried_out: bool) -> bool:
        """Return whether the connection is to break now."""
        with self._lock:
            if self._plan and self._plan[0] == (act, carried_out):
                self._plan.pop(0)
                return True
            return False

    def begins(self, channel: paramiko.Channel) -> None:
        """Note that SFTP begins in a connection."""
        self._subsystems.append(channel)
        channel.sendall(self.greeting)

    def done(self, act: str) -> None:
        """Do what is to be done after this act."""
        self._hooks.pop(act, lambda: None)()

    def told(self, at: os.stat_result) -> paramiko.SFTPAttributes:
        """Return a file's attributes by the share's own clock."""
        attributes = paramiko.SFTPAttributes.from_stat(at)
        attributes.st_mtime = int(CLOCK_BEGAN + (at.st_mtime - self._began) * CLOCK_SPEED)
        attributes.st_atime = attributes.st_mtime
        return attributes

    def _welcome(self, connection: socket.socket) -> None:
        self.connections += 1
        transport = paramiko.Transport(connection)
        transport.add_server_key(self.host_key)
        transport.set_subsystem_handler("sftp", _Server, _Files)
        # With an event it does not wait here: the handshake is its thread's.
        transport.start_server(event=threading.Event(), server=_Door(self, transport))
        self._transports.append(transport)


class _Door(paramiko.ServerInterface):
    """Who may come in."""

    def __init__(self, share: Share, transport: paramiko.Transport) -> None:
        self.share = share
        self.transport = transport
        self._shown: set[str] = set()

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002 - paramiko's signature
        kinds = [("password", self.share.takes_password), ("publickey", self.share.takes_key)]
        return ",".join(kind for kind, taken in kinds if taken and kind not in self._shown)

    def check_auth_password(self, username: str, password: str) -> int:
        good = self.share.takes_password and (username, password) == (USER, PASSWORD)
        return self._judge("password", username, good=good)

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        from adapters.erps.divalto.sftp_session import private_key

        ours = private_key(SftpSettings(key=Secret(self.share.client_key))) if self.share.client_key else None
        good = self.share.takes_key and username == USER and ours is not None and key == ours
        return self._judge("publickey", username, good=good)

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002 - paramiko's signature
        return 0 if kind == "session" else common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def _judge(self, kind: str, username: str, *, good: bool) -> int:
        self.share.asked.append(kind)
        if not good:
            return common.AUTH_FAILED
        self._shown.add(kind)
        if self.get_allowed_auths(username):
            return common.AUTH_PARTIALLY_SUCCESSFUL
        return common.AUTH_SUCCESSFUL


class _Server(paramiko.SFTPServer):
    """SFTP in one connection."""

    def start_subsystem(self, name: str, transport: paramiko.Transport, channel: paramiko.Channel) -> None:
        files: object = self.server  # paramiko has put what serves the files in the place of the door
        if isinstance(files, _Files):
            files.share.begins(channel)
        super().start_subsystem(name, transport, channel)


class _File(paramiko.SFTPHandle):
    """An open file."""

    def __init__(self, share: Share, stream: BinaryIO, flags: int) -> None:
        super().__init__(flags)
        self._share = share
        self._stream = stream
        self.readfile = self.writefile = stream

    def stat(self) -> paramiko.SFTPAttributes | int:
        return self._share.told(os.fstat(self._stream.fileno()))


class _Files(paramiko.SFTPServerInterface):
    """The folder as SFTP shows it, by OpenSSH's habits: a rename replaces nothing."""

    def __init__(self, server: _Door, *_arguments: object, **_more: object) -> None:
        super().__init__(server)
        self.share = server.share
        self._transport = server.transport

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        def listed() -> list[paramiko.SFTPAttributes]:
            found: list[paramiko.SFTPAttributes] = []
            for each in self._at(path).iterdir():
                attributes = self.share.told(each.stat())
                attributes.filename = os.fsencode(each.name)  # type: ignore[assignment]  # may be no UTF-8
                found.append(attributes)
            return found

        return self._do("list", listed)

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        return self._do("stat", lambda: self.share.told(self._at(path).stat()))

    def lstat(self, path: str) -> paramiko.SFTPAttributes | int:
        return self.stat(path)

    def open(
        self,
        path: str,
        flags: int,
        attr: paramiko.SFTPAttributes,  # noqa: ARG002 - paramiko's signature
    ) -> paramiko.SFTPHandle | int:
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR))
        return self._do(
            "open", lambda: _File(self.share, self._at(path).open("wb" if writes else "rb"), flags)
        )

    def remove(self, path: str) -> int:
        return self._do("remove", lambda: _ok(self._at(path).unlink))

    def rename(self, oldpath: str, newpath: str) -> int:
        def renamed() -> None:
            self._at(newpath).hardlink_to(self._at(oldpath))
            self._at(oldpath).unlink()

        return self._do("rename", lambda: _ok(renamed))

    def _at(self, path: str) -> Path:
        return self.share.root / self.canonicalize(path).lstrip("/")

    def _do(self, act: str, do: Callable[[], _Done]) -> _Done | int:
        time.sleep(self.share.delay_s)
        if self.share.strikes(act, carried_out=False):
            self._transport.close()
            return int(sftp.SFTP_FAILURE)
        try:
            done: _Done | int = do()
        except OSError as error:
            done = int(paramiko.SFTPServer.convert_errno(error.errno or 0))
        self.share.done(act)
        if self.share.strikes(act, carried_out=True):
            self._transport.close()
        return done


def _ok(act: Callable[[], None]) -> int:
    act()
    return int(sftp.SFTP_OK)
