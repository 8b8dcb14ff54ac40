"""An order's trace id."""

import re

from actors.domain.tracing import trace_id


def test_an_order_has_one_trace_id_for_ever() -> None:
    assert trace_id("main-1042") == trace_id("main-1042") == "3537767690262aee65c0ac5457c868ab"
    assert trace_id("main-1043") != trace_id("main-1042")


def test_a_trace_id_is_one_by_w3c_trace_context() -> None:
    assert re.fullmatch("[0-9a-f]{32}", trace_id("main-1042"))
    assert set(trace_id("main-1042")) != {"0"}
