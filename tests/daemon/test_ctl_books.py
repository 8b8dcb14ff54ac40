"""What comparing the books says where nothing differs: headings alone would leave a reader in doubt."""

from typing import Any

import pytest

from daemon.ctl_asking import Asking
from daemon.ctl_books import compare

AGREED: dict[str, Any] = {
    "at": "2026-11-23T10:00:00Z",
    "channels": [{"channel": "main", "compared": 35, "moving": 0, "differences": []}],
    "orders": 12,
    "orders_moving": 0,
    "erp": {"compared": 70, "moving": 0, "traced": True, "figures": []},
    "differences": [],
    "unread": [],
}


class Answered(Asking):
    """A daemon whose books agree."""

    def read(self, path: str, show: Any, *_: Any, **__: Any) -> dict[str, Any]:  # noqa: ANN401, ARG002 - as Asking's
        self.show(AGREED, show)
        return AGREED


def test_books_that_agree_are_said_to_agree_and_how_much_was_compared(
    capsys: pytest.CaptureFixture[str],
) -> None:
    compare(Answered(), None)
    told = "wharfctl: 35 articles of shops, 70 figures of the ERP, 12 orders compared: nothing differs\n"
    assert capsys.readouterr().err == told
    compare(Answered(program="wharfinger"), None)
    assert capsys.readouterr().err.startswith("wharfinger: ")


def test_programs_are_told_so_by_the_answer_alone(capsys: pytest.CaptureFixture[str]) -> None:
    compare(Answered(as_json=True), None)
    assert capsys.readouterr().err == ""
