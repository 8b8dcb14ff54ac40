"""Pieces as files: what Divalto would read, what comes back, and what a folder's state proves."""

import io
import os
import threading
import zipfile
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from actors.errors import MalformedError, OutcomeUnknownError, PartnerError, RefusedError, UnreachableError
from adapters.erps.divalto import sheet, xlsx
from adapters.erps.divalto.adapter import DivaltoErp
from adapters.erps.divalto.files_settings import FileSettings
from adapters.erps.divalto.folders import LocalFolders
from adapters.erps.divalto.simulator.rehearsal import (
    PERSON,
    Site,
    change,
    line,
    note,
    open_site,
    order,
    reception,
)
from adapters.erps.divalto.wire import WireError

steady = settings(deadline=None, derandomize=True, max_examples=50)

CELLS = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x2FF, exclude_categories=["Cc", "Cs"]), max_size=12
)
BLOCKS: list[sheet.Block] = [
    ("IPAR", {"DOS": "1", "PCEACTION": "C"}),
    (
        "ENT",
        {
            "DOS": "1",
            "TICOD": "C",
            "PICOD": "2",
            "PINOTIERS": "main-1",
            "PIDT": "20260302",
            "PIREF": 'é; "x"',
        },
    ),
    ("MOUV", {"DOS": "1", "REF": "SHIRT", "SREF1": "001", "QTE": "2.000"}),
]


async def test_a_rejected_piece_is_refused_in_the_words_that_came_back(tmp_path: Path) -> None:
    async with files_site(tmp_path, form="csv") as site:
        with pytest.raises(RefusedError, match=r"MOUV 2: Article inexistant"):
            await site.erp.carry_out(order(line("KETTLE", 1), shipping="4.90"), PERSON)
        assert [path.name for path in (tmp_path / "rejected").iterdir()] == ["C2C-main-1042.csv"]
        site.divalto.set_stock("KETTLE", "D01", 3)
        assert (await site.erp.carry_out(order(line("KETTLE", 1)), PERSON)).reference == "C2-1"
        assert list((tmp_path / "rejected").iterdir()) == []


def files_site(folder: Path, **files: Any) -> AbstractAsyncContextManager[Site]:  # noqa: ANN401 - any setting
    return open_site(way="files", folder=folder, files=files)


async def test_a_file_that_nobody_takes_leaves_the_outcome_unknown_and_is_not_written_again(
    tmp_path: Path,
) -> None:
    with trio.fail_after(20):
        async with files_site(tmp_path, wait_seconds=0.2) as site:
            await site.erp.find(order(reference="main-9"))
            site.divalto.switches.closed = True
            with pytest.raises(OutcomeUnknownError, match="not been taken"):
                await site.erp.carry_out(order(), PERSON)
            with pytest.raises(UnreachableError, match="waits in the folder"):
                await site.erp.find(order())
            written = (tmp_path / "inbox" / "C2C-main-1042.xml").stat().st_ino
            with pytest.raises(OutcomeUnknownError):
                await site.erp.carry_out(order(), PERSON)
            assert (tmp_path / "inbox" / "C2C-main-1042.xml").stat().st_ino == written
            site.divalto.switches.closed = False
            await site.told()
            assert (await site.settle(order(), PERSON)).reference == "C2-1"
            assert len(site.divalto.pieces()) == 1


async def test_an_export_from_before_the_piece_was_taken_proves_nothing(tmp_path: Path) -> None:
    with trio.fail_after(20):
        async with files_site(tmp_path, wait_seconds=0.3, export_seconds=3600.0) as site:
            with pytest.raises(UnreachableError, match="no export that is new enough"):
                await site.erp.find(order())


async def test_a_piece_whose_taking_nobody_saw_is_not_judged_by_an_export_from_before_it(
    tmp_path: Path,
) -> None:
    with trio.fail_after(20):
        async with files_site(tmp_path, wait_seconds=0.3) as site:
            await site.erp.carry_out(order(reference="main-9"), PERSON)
            await paused(site)
            with pytest.raises(OutcomeUnknownError, match="not been taken"):
                await site.erp.carry_out(order(), PERSON)
            file = tmp_path / "inbox" / "C2C-main-1042.xml"
            taken = file.rename(tmp_path / "taken")  # and no export since
            for _ in range(2):
                with pytest.raises(UnreachableError, match="no export that is new enough"):
                    await site.erp.find(order())
            taken.rename(file)
            site.divalto.switches.closed = False
            await site.told()
            assert (await site.settle(order(), PERSON)).reference == "C2-2"
            assert site.divalto.duplicates() == ()


async def paused(site: Site) -> None:
    """Have the site's task do nothing from now on."""
    site.divalto.switches.closed = True
    await trio.sleep(0.1)  # the pass that was under way is over


async def test_a_file_of_an_earlier_process_is_not_judged_by_an_export_from_before_it_was_taken(
    tmp_path: Path,
) -> None:
    with trio.fail_after(20):
        async with files_site(tmp_path, wait_seconds=0.3) as site:
            await site.erp.find(order())
            await paused(site)
            waiting = tmp_path / "inbox" / "C2C-main-1042.xml"
            waiting.write_bytes(b"dropped by a daemon that died")
            restarted = DivaltoErp("divalto", site.settings)

            async def exported_meanwhile() -> None:
                await trio.sleep(0.1)
                (tmp_path / "exports" / "pieces.csv").touch()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(exported_meanwhile)
                assert await restarted.find(order(reference="main-9")) is None
            waiting.unlink()
            with pytest.raises(UnreachableError, match="no export that is new enough"):
                await restarted.find(order())


async def test_a_change_whose_file_waits_is_not_told_anew(tmp_path: Path) -> None:
    with trio.fail_after(20):
        async with files_site(tmp_path, wait_seconds=0.3) as site:
            await site.erp.carry_out(order(), PERSON)
            await paused(site)
            longer = change(line("TEAPOT", 3), line("CUP", 2, "3.3333"), line("SHIRT/XL/BLUE", 1))
            with pytest.raises(PartnerError):
                await site.erp.carry_out(longer, None)
            with pytest.raises(UnreachableError, match="waits in the folder"):
                await site.erp.find(longer)
            site.divalto.switches.closed = False
            await site.told()
            assert (await site.settle(longer)).reference == "C2-1"
            assert len(site.divalto.pieces()[0].lines) == 4


async def test_a_note_is_not_held_up_by_another_orders_file(tmp_path: Path) -> None:
    with trio.fail_after(20):
        async with files_site(tmp_path) as site:
            await site.erp.carry_out(order(), PERSON)
            (tmp_path / "inbox" / "C2C-main-10420.txt").write_text(
                "of another order, and no file for the task"
            )
            assert (await site.erp.carry_out(note(), None)).reference == "C3-1"


async def test_a_folder_that_is_not_there_is_said_and_nothing_was_done(tmp_path: Path) -> None:
    async with files_site(tmp_path) as site:
        site.divalto.switches.closed = True
        await trio.sleep(0.1)  # the pass that was under way is over
        (tmp_path / "exports").rename(tmp_path / "elsewhere")
        (tmp_path / "inbox").rename(tmp_path / "gone")
        with pytest.raises(UnreachableError, match="No such file"):
            await site.erp.stock()
        with pytest.raises(UnreachableError, match="No such file"):
            await site.erp.carry_out(order(), None)


@contextmanager
def hanging(path: Path, end: Callable[[], object]) -> Generator[None]:
    """Have whoever opens a file wait, as for a server that is away, until `end`: five seconds at most."""
    os.mkfifo(path)
    at_the_latest = threading.Timer(5, end)
    at_the_latest.daemon = True
    at_the_latest.start()
    try:
        yield
    finally:
        at_the_latest.cancel()


async def test_a_mounted_folder_that_does_not_answer_is_given_up_and_nothing_overtakes_what_hangs_in_it(
    tmp_path: Path,
) -> None:
    folders, export = LocalFolders("erp divalto", seconds_max=0.25), tmp_path / "stock.csv"
    with hanging(export, partial(export.write_bytes, b"")):
        with pytest.raises(UnreachableError, match="no answer in time"):
            await folders.read(str(tmp_path), export.name)
        with pytest.raises(UnreachableError, match="no answer in time"):
            await folders.names(str(tmp_path))
        export.write_bytes(b"")
        assert await folders.names(str(tmp_path)) == [export.name]


async def test_a_drop_that_hangs_in_a_mounted_folder_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    folders, part = LocalFolders("erp divalto", seconds_max=0.25), tmp_path / ".a.csv.part"
    with hanging(part, part.read_bytes):
        for _ in range(2):
            with pytest.raises(OutcomeUnknownError, match="no answer in time"):
                await folders.drop(str(tmp_path), "a.csv", b"a piece")
        assert part.read_bytes() == b"a piece"  # from the first alone
        part.unlink()
        await folders.drop(str(tmp_path), "a.csv", b"the next")
        assert await folders.read(str(tmp_path), "a.csv") == b"the next"


async def test_whoever_gives_up_waiting_for_a_mounted_folder_goes_on_at_once(tmp_path: Path) -> None:
    folders, export = LocalFolders("erp divalto"), tmp_path / "stock.csv"
    with hanging(export, partial(export.write_bytes, b"")):
        with trio.move_on_after(0.05) as gave_up:
            await folders.read(str(tmp_path), export.name)
        assert gave_up.cancelled_caught
        export.write_bytes(b"")


@pytest.mark.parametrize("column", ["TICOD", "PINO"])
async def test_an_export_of_lines_that_does_not_tell_their_piece_never_passes_for_one_pieces_lines(
    tmp_path: Path, column: str
) -> None:
    with trio.fail_after(20):
        async with files_site(tmp_path, form="csv") as site:
            for reference in ("main-1042", "main-1043"):
                await site.erp.carry_out(order(reference=reference), None)
            await site.told()
            await paused(site)
            lines = tmp_path / "exports" / "lines.csv"
            lines.write_text(lines.read_text("cp1252").replace(f";{column};", ";COLONNE;", 1), "cp1252")
            with pytest.raises(MalformedError, match=f"column {column}"):
                await site.erp.carry_out(note(), None)


@pytest.mark.parametrize("content", ["REF;QTE\r\nCUP;1;2;3\r\n", "", "\r\n"])
async def test_an_export_that_is_no_table_is_malformed(tmp_path: Path, content: str) -> None:
    with trio.fail_after(20):
        async with files_site(tmp_path) as site:
            await site.erp.stock()
            site.divalto.switches.closed = True
            await trio.sleep(0.1)  # the pass that was under way writes no more
            (tmp_path / "exports" / "stock.csv").write_text(content)
            with pytest.raises(MalformedError):
                await site.erp.stock()


async def test_a_reference_with_a_slash_is_a_name_in_one_folder(tmp_path: Path) -> None:
    with trio.fail_after(20):
        async with files_site(tmp_path) as site:
            received = msgspec.structs.replace(reception(), reference="ASN/77")
            assert (await site.erp.carry_out(received, None)).reference == "F3-1"
            assert await site.erp.find(received) is not None


# --- the forms ---


def test_datahub_holds_a_block_for_each_entity() -> None:
    content = sheet.write(BLOCKS, FileSettings())
    root = etree.fromstring(content)
    assert (root.tag, root.get("DataSetType")) == ("DataHub", "IMPPCE")
    assert [block.tag for block in root] == ["IPAR", "ENT", "MOUV"]
    assert root.findtext("ENT/PIREF") == 'é; "x"'


def test_the_table_is_the_one_of_the_spreadsheet_import() -> None:
    rows = xlsx.read(sheet.write(BLOCKS, FileSettings(form="xlsx")))
    assert [any(row) for row in rows[:3]] == [False, False, True]
    names = rows[2]
    assert names[0] == "FICHE"
    assert names[-1] == "ERREUR"
    assert {
        "DOSSIER",
        "TYPE_TIERS",
        "TYPE_PIECE",
        "REF_PIECE",
        "ENT.PIDT",
        "REFERENCE",
        "SREF1",
        "QUANTITE",
    } <= {*names}
    assert rows[4][names.index("ENT.PIDT")] == "02/03/2026"
    assert rows[5][names.index("SREF1")] == "'001"


@pytest.mark.parametrize("form", ["datahub", "csv", "xlsx"])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_a_file_is_read_back_as_it_was_written(
    form: Literal["datahub", "csv", "xlsx"], encoding: str
) -> None:
    spelled = FileSettings(form=form, encoding=encoding, columns={"ENT.PIREF": "VOTRE_REF"})
    assert sheet.read(sheet.write(BLOCKS, spelled), spelled) == BLOCKS


def test_a_workbook_of_another_program_is_read_row_by_row() -> None:
    content = Path(__file__).with_name("rejected.xlsx").read_bytes()  # made by openpyxl
    assert sheet.reasons(content, FileSettings(form="xlsx")) == ["MOUV 1: Article périmé"]


@pytest.mark.parametrize("form", ["datahub", "csv", "xlsx"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x00" * 50, "é;è".encode("cp1252")])
def test_what_is_no_such_file_is_malformed(form: Literal["datahub", "csv", "xlsx"], content: bytes) -> None:
    with pytest.raises(WireError):
        sheet.reasons(content, FileSettings(form=form))


@steady
@given(st.lists(st.lists(CELLS, max_size=30), max_size=8))
def test_a_workbook_holds_every_text_as_text(rows: list[list[str]]) -> None:
    read = xlsx.read(xlsx.write(rows))
    shown = [row + [""] * (max(map(len, [*rows, *read]), default=0) - len(row)) for row in rows]
    padded = [row + [""] * (len(shown[0]) - len(row)) for row in read] if shown else read
    assert padded == shown


@pytest.mark.parametrize(
    ("told", "garbled"),
    [
        (b'<row r="1"', b'<row r="x"'),
        (b'<row r="1"', b'<row r="0"'),
        (b'<row r="1"', b'<row r="-3"'),
        (b'<row r="1"', b'<row r="100001"'),
        (b't="inlineStr"', b't="s"'),
    ],
)
def test_a_sheet_whose_numbers_make_no_sense_is_no_sheet(told: bytes, garbled: bytes) -> None:
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(xlsx.write([["FICHE"]]))) as book,
        zipfile.ZipFile(packed, "w") as other,
    ):
        for name in book.namelist():
            other.writestr(name, book.read(name).replace(told, garbled))
    with pytest.raises(xlsx.SheetError):
        xlsx.read(packed.getvalue())


def test_a_workbook_with_a_byte_wrong_is_read_or_is_none() -> None:
    content = xlsx.write([["FICHE", "ERREUR"], ["MOUV", "Article inexistant"] * 20])
    read = 0
    for place in range(0, len(content), 3):
        try:
            read += bool(xlsx.read(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]))
        except xlsx.SheetError:
            continue
    assert read < len(content) // 3


def test_a_sheet_of_a_few_cells_far_apart_fills_no_memory() -> None:
    line = ["x", *[""] * 18_000, "y"]
    with pytest.raises(xlsx.SheetError, match="cells"):
        xlsx.read(xlsx.write([line] * (xlsx.CELLS_MAX // len(line) + 1)))


def test_a_workbook_that_swells_is_not_unpacked() -> None:
    with pytest.raises(xlsx.SheetError, match="too large"):
        xlsx.read(xlsx.write([["x" * 20_000]]), bytes_max=10_000)
