"""The simulated site's task for files: takes pieces from a folder, gives back rejects, exports tables.

It owns the folders; a piece is integrated by `business`, a table looks as `views` says. It reads files with
the adapter's own `sheet`, whose forms are tried against other programs' files in the tests.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import trio

from adapters.erps.divalto import sheet
from adapters.erps.divalto.files_settings import FileSettings
from adapters.erps.divalto.simulator.asked import BusinessError
from adapters.erps.divalto.simulator.business import Business
from adapters.erps.divalto.simulator.switches import Switches
from adapters.erps.divalto.simulator.views import Row, Views
from adapters.erps.divalto.spelling import Spelling
from adapters.erps.divalto.wire import WireError

PASS_S = 0.02
"""How often the task looks into its folder; a site's own runs every few minutes."""


class Drop:
    """The folders of one company file.

    Args:
        business: what integrates a piece.
        views: what is exported.
        spelling, switches: the site's.
        settings: the folders and their form, as the site's profile has them.
    """

    def __init__(
        self,
        business: Business,
        views: Views,
        spelling: Spelling,
        switches: Switches,
        settings: FileSettings,
    ) -> None:
        self._business = business
        self._views = views
        self._spelling = spelling
        self._switches = switches
        self._settings = settings
        self._inbox, self._rejected = Path(settings.inbox), Path(settings.rejected)
        self._exports = Path(settings.exports)
        self._passes = 0

    async def exported(self) -> None:
        """Wait until everything that has happened so far stands in the exports."""
        wanted = self._passes + 2  # one may be under way
        while self._passes < wanted:  # noqa: ASYNC110 - passes are few milliseconds apart
            await trio.sleep(PASS_S)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look into the folder again and again, until cancelled."""
        self._export()
        task_status.started()
        while True:
            if not self._switches.closed:
                await trio.to_thread.run_sync(self._pass)
                self._passes += 1
            await trio.sleep(PASS_S)

    def _pass(self) -> None:
        waiting = [path for path in sorted(self._inbox.iterdir()) if path.suffix in (".xml", ".csv", ".xlsx")]
        for path in waiting:
            if not path.name.startswith("."):
                self._take(path)
        self._export()

    def _take(self, path: Path) -> None:
        """Integrate one file; it is gone before its rejected copy is there, as GTPP150 does it."""
        content = path.read_bytes()
        why, blocks = "", list[sheet.Block]()
        try:
            blocks = sheet.read(content, self._settings)
            data = self._data(blocks)
            if "icli" in data:
                self._business.make_customer(data)
            else:
                self._business.integrate(data)
        except BusinessError as error:
            why = error.message
        except WireError:
            why = "Fichier illisible"
        if self._switches.dies_before_removing:
            self._switches.dies_before_removing = False
            return  # it is started anew, and takes the same file again
        path.unlink()
        if why:
            self._reject(path.name, blocks, why)

    def _reject(self, name: str, blocks: Sequence[sheet.Block], why: str) -> None:
        """Write the file back with the reason in its last row."""
        told = [(kind, dict(fields)) for kind, fields in blocks] or [("ENT", dict[str, str]())]
        told[-1][1][self._settings.error] = why
        _whole(self._rejected / name, sheet.write(told, self._settings))

    def _data(self, blocks: Sequence[sheet.Block]) -> Mapping[str, Any]:
        by_kind: dict[str, list[dict[str, str]]] = {}
        for kind, fields in blocks:
            kept = {name: value for name, value in fields.items() if name != "DOS"}
            by_kind.setdefault(kind, []).append(kept)
        if "CLI" in by_kind:
            return {"icli": by_kind["CLI"][0]}
        if len(by_kind.get("IPAR", ())) != 1 or len(by_kind.get("ENT", ())) != 1:
            raise BusinessError("1", "Une pièce par fichier")
        return {
            "ipar": by_kind["IPAR"][0],
            "ient": by_kind["ENT"][0],
            "imouvtb": by_kind.get("MOUV", []),
            "ieadtb": by_kind.get("EAD", []),
        }

    def _export(self) -> None:
        views = self._views
        pieces = [row for ticod in "CFI" for row in views.pieces(ticod)]
        tables: dict[str, list[Row]] = {
            "pieces": pieces,
            "changed": pieces,
            "lines": views.lines(),
            "stock": [{**row, "DEPO": row[views.names.depot]} for row in views.stock(None)],
            "articles": views.articles(),
            "customers": list(views.customers()),
            "expected": views.expected(),
            "moved": views.moved(),
        }
        for name, rows in tables.items():
            written = io.StringIO()
            table = csv.DictWriter(written, list(rows[0]) if rows else ["DOS"], delimiter=";")
            table.writeheader()
            table.writerows(rows)
            content = written.getvalue().encode(self._settings.encoding, "replace")
            _whole(self._exports / f"{name}.csv", content)


def _whole(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
