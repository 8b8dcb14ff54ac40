"""Files on a site's SFTP server: only the right server, each drop once, and a connection that may break."""

import errno
import io
import logging
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import structlog
import trio

pytest.importorskip("paramiko", reason="an extra of the distribution; the development lock has it")

import paramiko

from actors.errors import OutcomeUnknownError, PartnerError, UnreachableError
from adapters.erps.divalto import host_keys
from adapters.erps.divalto.files_settings import FileSettings
from adapters.erps.divalto.sftp import WORDS_MAX, SftpFolders, words_of
from adapters.erps.divalto.simulator.rehearsal import PERSON, Site, note, open_site, order
from adapters.erps.divalto.simulator.share import PASSWORD, Share
from adapters.erps.divalto.trial import try_profile
from adapters.settings import Secret


@asynccontextmanager
async def share_in(folder: Path) -> AsyncGenerator[Share]:
    """Yield an SFTP server over a folder that has an inbox."""
    (folder / "inbox").mkdir()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            share = Share(folder)
            await nursery.start(share.serve)
            yield share
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def folders_at(share: Share, **changed: object) -> AsyncGenerator[SftpFolders]:
    """Yield a client of the server, with other settings where they are to differ."""
    settings = msgspec.structs.replace(share.seen_by(FileSettings()).sftp, **changed)
    folders = SftpFolders("erp divalto", settings)
    try:
        yield folders
    finally:
        with trio.CancelScope(shield=True):
            await folders.aclose()


@asynccontextmanager
async def site_by_sftp(folder: Path) -> AsyncGenerator[tuple[Site, Share]]:
    """Yield a site that is reached by SFTP alone."""
    with trio.fail_after(60):
        async with open_site(way="files", folder=folder, files={"form": "csv"}, by_sftp=True) as site:
            assert site.share is not None
            yield site, site.share


# --- who is spoken to --------------------------------------------------------------------------------------


async def test_a_server_with_another_key_is_not_spoken_to_and_learns_no_password(tmp_path: Path) -> None:
    async with share_in(tmp_path) as share:
        theirs, share.host_key = share.fingerprint, paramiko.ECDSAKey.generate()
        async with folders_at(share, host_keys=(theirs,)) as folders:
            with pytest.raises(UnreachableError, match=r"is none of files\.sftp\.host_keys"):
                await folders.names("/inbox")
        assert share.asked == []


@pytest.mark.parametrize("spelled", ["fingerprint", "public key", "line of known_hosts", "one of two"])
async def test_a_server_is_known_by_its_key_however_that_is_written(tmp_path: Path, spelled: str) -> None:
    async with share_in(tmp_path) as share:
        public = f"{share.host_key.get_name()} {share.host_key.get_base64()}"
        other = paramiko.ECDSAKey.generate()
        entries = {
            "fingerprint": (share.fingerprint,),
            "public key": (public,),
            "line of known_hosts": (f"ssh-1.example,[127.0.0.1]:2222 {public} a comment",),
            "one of two": (f"{other.get_name()} {other.get_base64()}", share.fingerprint),
        }
        async with folders_at(share, host_keys=entries[spelled]) as folders:
            assert await folders.names("/inbox") == []


async def test_a_revoked_key_is_none_that_a_server_is_known_by(tmp_path: Path) -> None:
    async with share_in(tmp_path) as share:
        line = f"@revoked 127.0.0.1 {share.host_key.get_name()} {share.host_key.get_base64()}"
        with pytest.raises(ValueError, match="@revoked"):
            host_keys.read(line)


async def test_no_key_at_all_is_no_trust(tmp_path: Path) -> None:
    async with share_in(tmp_path) as share, folders_at(share, host_keys=()) as folders:
        with pytest.raises(UnreachableError, match="host key"):
            await folders.names("/inbox")


def private(key: paramiko.PKey, passphrase: str = "") -> str:
    written = io.StringIO()
    key.write_private_key(written, password=passphrase or None)
    return written.getvalue().strip("\n")  # as a credential's file is read


@pytest.mark.parametrize("kind", [paramiko.ECDSAKey, paramiko.RSAKey])
@pytest.mark.parametrize("passphrase", ["", "of the key"])
async def test_a_private_key_opens_the_server_without_a_password(
    tmp_path: Path, kind: type[paramiko.ECDSAKey] | type[paramiko.RSAKey], passphrase: str
) -> None:
    key = paramiko.RSAKey.generate(2048) if kind is paramiko.RSAKey else paramiko.ECDSAKey.generate()
    async with share_in(tmp_path) as share:
        share.takes_password, share.takes_key, share.client_key = False, True, private(key)
        with_passphrase = Secret(private(key, passphrase))
        async with folders_at(share, key=with_passphrase, passphrase=Secret(passphrase)) as folders:
            assert await folders.names("/inbox") == []
        if passphrase:
            async with folders_at(share, key=with_passphrase) as folders:
                with pytest.raises(UnreachableError, match="passphrase"):
                    await folders.names("/inbox")


async def test_a_server_may_ask_for_a_key_and_a_password(tmp_path: Path) -> None:
    async with share_in(tmp_path) as share:
        share.takes_key, share.client_key = True, private(paramiko.ECDSAKey.generate())
        async with folders_at(share) as folders:
            assert await folders.names("/inbox") == []
        async with folders_at(share, password=Secret("")) as folders:
            with pytest.raises(UnreachableError, match="asks for password besides"):
                await folders.names("/inbox")


async def test_neither_password_nor_key_is_in_any_log_or_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    structlog.reset_defaults()
    caplog.set_level(logging.DEBUG)
    key = private(paramiko.ECDSAKey.generate())
    shown: list[str] = []
    async with share_in(tmp_path) as share:
        for changed in ({"password": Secret("hunter2")}, {"key": Secret(key)}, {"key": Secret("hunter2")}):
            async with folders_at(share, **changed) as folders:
                with pytest.raises(PartnerError) as failed:
                    await folders.names("/inbox")
                shown += [str(failed.value), repr(failed.value.__cause__)]
        async with folders_at(share) as folders:
            await folders.names("/inbox")
            shown.append(repr(share.seen_by(FileSettings())))
    for text in (*shown, caplog.text):
        assert "hunter2" not in text
        assert PASSWORD not in text
        assert key.splitlines()[1] not in text


# --- each drop once ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize("act", ["open", "stat", "list", "rename", "remove"])
async def test_whichever_answer_of_a_drop_is_lost_the_piece_is_there_once(
    tmp_path: Path, act: str, carried_out: bool
) -> None:
    async with site_by_sftp(tmp_path) as (site, share):
        await site.erp.find(order(reference="main-9"))
        share.lose_next(act, carried_out=carried_out)
        try:
            done = await site.erp.carry_out(order(), PERSON)
        except (OutcomeUnknownError, UnreachableError):
            done = await site.settle(order(), PERSON)
        assert done.reference == "C2-1"
        assert (await site.erp.carry_out(note(), None)).reference == "C3-1"
        assert len(site.divalto.pieces()) == 2
        assert share.planned == 0


async def test_a_file_whose_renaming_is_lost_and_that_was_taken_at_once_is_not_written_again(
    tmp_path: Path,
) -> None:
    async with share_in(tmp_path) as share, folders_at(share) as folders:
        share.lose_next("rename")
        share.after_next("rename", (tmp_path / "inbox" / "a.csv").unlink)  # the site's task is quick
        await folders.drop("/inbox", "a.csv", b"a piece")
        assert list((tmp_path / "inbox").iterdir()) == []


async def test_a_drop_of_which_nothing_can_be_seen_any_more_leaves_the_outcome_unknown(
    tmp_path: Path,
) -> None:
    async with share_in(tmp_path) as share, folders_at(share) as folders:
        share.lose_next("rename", carried_out=False)
        share.lose_next("rename", carried_out=False)
        with pytest.raises(OutcomeUnknownError):
            await folders.drop("/inbox", "a.csv", b"a piece")
        assert [path.name for path in (tmp_path / "inbox").iterdir()] == [".a.csv.part"]


async def test_a_part_that_somebody_took_before_it_had_its_name_leaves_the_outcome_unknown(
    tmp_path: Path,
) -> None:
    part = tmp_path / "inbox" / ".a.csv.part"
    async with share_in(tmp_path) as share, folders_at(share) as folders:
        share.after_next("stat", lambda: share.after_next("stat", part.unlink))
        with pytest.raises(OutcomeUnknownError, match="was taken before"):
            await folders.drop("/inbox", "a.csv", b"a piece")


async def test_a_server_that_goes_away_while_a_file_waits_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    async with site_by_sftp(tmp_path) as (site, share):
        await site.erp.find(order(reference="main-9"))
        site.divalto.switches.closed = True

        async def gone_once_it_waits() -> None:
            while not (tmp_path / "inbox" / "C2C-main-1042.csv").exists():
                await trio.sleep(0.01)
            share.host_key = paramiko.ECDSAKey.generate()
            share.hang_up()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(gone_once_it_waits)
            with pytest.raises(OutcomeUnknownError, match="host key"):
                await site.erp.carry_out(order(), PERSON)


async def test_a_file_that_waits_is_neither_replaced_nor_written_anew(tmp_path: Path) -> None:
    async with share_in(tmp_path) as share, folders_at(share) as folders:
        await folders.drop("/inbox", "a.csv", b"the first")
        await folders.drop("/inbox", "a.csv", b"the second")
        (tmp_path / "inbox" / ".b.csv.part").write_bytes(b"half of an earlier atte")
        await folders.drop("/inbox", "b.csv", b"whole")
        assert sorted(await folders.names("/inbox")) == ["a.csv", "b.csv"]
        assert (await folders.read("/inbox", "a.csv"), await folders.read("/inbox", "b.csv")) == (
            b"the first",
            b"whole",
        )


# --- a connection that breaks ------------------------------------------------------------------------------


async def test_a_connection_that_was_closed_meanwhile_is_made_anew(tmp_path: Path) -> None:
    async with share_in(tmp_path) as share, folders_at(share) as folders:
        for connections in (1, 2, 3):
            await folders.drop("/inbox", f"{connections}.csv", b"a piece")
            assert share.connections == connections
            share.hang_up()
        assert sorted(await folders.names("/inbox")) == ["1.csv", "2.csv", "3.csv"]


async def test_a_server_that_is_away_and_one_that_is_silent_let_documents_wait(tmp_path: Path) -> None:
    async with share_in(tmp_path) as share:
        (silent,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = silent.socket.getsockname()[1]
        async with folders_at(share, port=port, seconds_max=0.3) as folders:
            with pytest.raises(UnreachableError, match="no answer in time"):
                await folders.names("/inbox")
        await silent.aclose()
        async with folders_at(share, port=port) as folders:
            with pytest.raises(UnreachableError, match="refused"):
                await folders.names("/inbox")


async def test_whoever_gives_up_waiting_leaves_no_connection_behind(tmp_path: Path) -> None:
    async with share_in(tmp_path) as share, folders_at(share) as folders:
        await folders.names("/inbox")
        share.delay_s = 30.0
        with trio.move_on_after(0.2) as gave_up:
            await folders.clock("/inbox")
        assert gave_up.cancelled_caught
        while share.open_connections:  # the server has seen it closed
            await trio.sleep(0.01)
        share.delay_s = 0.0
        assert await folders.clock("/inbox") > 0
        assert share.connections == 2


async def test_what_the_server_refuses_is_said_and_nothing_was_done(tmp_path: Path) -> None:
    async with share_in(tmp_path) as share, folders_at(share) as folders:
        with pytest.raises(UnreachableError, match="the folder: No such file"):
            await folders.drop("/elsewhere", "a.csv", b"a piece")
        assert await folders.read("/inbox", "none.csv") is None
        assert share.connections == 1


async def test_a_server_whose_sftp_ended_while_nothing_was_asked_is_connected_to_anew(tmp_path: Path) -> None:
    async with share_in(tmp_path) as share, folders_at(share) as folders:
        await folders.names("/inbox")
        share.end_sftp()
        while share.open_subsystems:
            await trio.sleep(0.01)
        await folders.drop("/inbox", "a.csv", b"a piece")
        assert await folders.names("/inbox") == ["a.csv"]
        assert share.connections == 2


@pytest.mark.parametrize("greeting", [b"Welcome to the site\n", b"\0\0\0\x05\x65????"])
async def test_a_login_script_that_speaks_before_the_server_is_said_and_documents_wait(
    tmp_path: Path, greeting: bytes
) -> None:
    async with share_in(tmp_path) as share, folders_at(share) as folders:
        share.greeting = greeting
        with pytest.raises(UnreachableError, match="SFTP: "):
            await folders.drop("/inbox", "a.csv", b"a piece")
        share.greeting = b""
        await folders.drop("/inbox", "a.csv", b"a piece")


async def test_a_name_that_is_no_utf_8_is_said_and_the_connection_given_up(tmp_path: Path) -> None:
    async with share_in(tmp_path) as share, folders_at(share) as folders:
        (tmp_path / "inbox" / os.fsdecode("pièce.csv".encode("cp1252"))).touch()
        with pytest.raises(UnreachableError, match="no UTF-8"):
            await folders.names("/inbox")
        while share.open_connections:
            await trio.sleep(0.01)


def test_whatever_a_server_says_of_what_it_refuses_an_error_is_a_short_line() -> None:
    assert words_of(OSError("no right\nhere " * 1000)).startswith("no right here no right")
    assert len(words_of(OSError(errno.EACCES, "no right\n" * 1000))) == WORDS_MAX
    assert words_of(EOFError()) == "EOFError"


async def test_an_export_within_a_broken_second_of_the_taking_is_not_younger(tmp_path: Path) -> None:
    async with share_in(tmp_path) as share, folders_at(share) as folders:
        export = tmp_path / "inbox" / "pieces.csv"
        export.write_bytes(b"written")
        second = share.told(export.stat()).st_mtime or 0
        assert await folders.read("/inbox", "pieces.csv", since=second - 0.5) is None
        assert await folders.read("/inbox", "pieces.csv", since=second - 1.5) == b"written"


async def test_a_large_export_is_read_whole(tmp_path: Path) -> None:
    content = bytes(range(256)) * 8_000
    async with share_in(tmp_path) as share, folders_at(share) as folders:
        (tmp_path / "inbox" / "stock.csv").write_bytes(content)
        assert await folders.read("/inbox", "stock.csv") == content
        assert await folders.read("/inbox", "stock.csv", since=await folders.clock("/inbox")) is None


# --- the profile -------------------------------------------------------------------------------------------


async def test_a_profile_by_sftp_is_tried_folder_by_folder(tmp_path: Path) -> None:
    async with site_by_sftp(tmp_path) as (site, share):
        told = {step.step: step for step in await try_profile("d", site.settings)}
        assert [step.step for step in told.values() if step.judgement == "wrong"] == []
        assert told["folder of inbox"].detail == "files can be written on the SFTP server"
        assert told["folder of rejects"].detail == "0 files on the SFTP server"
        assert site.divalto.pieces() == ()

        files = msgspec.structs.replace(site.settings.files, rejected="/none")
        wrong = (await try_profile("d", msgspec.structs.replace(site.settings, files=files)))[-1]
        assert (wrong.step, wrong.judgement) == ("folder of rejects", "wrong")
        assert "files.rejected" in wrong.mend

        share.host_key = paramiko.ECDSAKey.generate()
        wrong = (await try_profile("d", site.settings))[-1]
        assert (wrong.step, wrong.judgement) == ("folder of inbox", "wrong")
        assert "host key SHA256:" in wrong.detail


def test_a_profile_by_sftp_without_the_extra_says_what_to_install() -> None:
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_EXTRA], capture_output=True, text=True, check=True, timeout=30
    )
    assert "files.sftp needs the extra wharfinger[sftp]" in told.stdout


WITHOUT_THE_EXTRA = """
import sys
sys.modules["paramiko"] = None
from adapters.erps.divalto.checking import problems
from adapters.erps.divalto.files_settings import FileSettings, SftpSettings
from adapters.erps.divalto.plugin import DivaltoSettings, FlowSettings
files = FileSettings(inbox="/in", rejected="/out", sftp=SftpSettings(host="sftp.example"))
flows = FlowSettings(write="files")
settings = DivaltoSettings(dos="1", customer="WEB", depots={"a": "A"}, flows=flows, files=files)
for each in problems(settings):
    print(each.key, each.why)
"""
