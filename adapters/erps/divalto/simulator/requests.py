"""Which request is which, for faults that strike some of them only."""

from adapters.erps.divalto.simulator.rest import AUTH_PATH, EXECUTE_PATH, RECORDS_PATH
from adapters.erps.divalto.simulator.web_hooks import WEB_HOOK_PATH
from adapters.http.server import Request


def is_auth(request: Request) -> bool:
    """Match requests for a token."""
    return request.path.endswith(AUTH_PATH)


def is_write(request: Request) -> bool:
    """Match business actions and web hooks."""
    return request.path.endswith(EXECUTE_PATH) or (WEB_HOOK_PATH in request.path and request.method == "POST")


def is_read(request: Request) -> bool:
    """Match RecordSql."""
    return request.path.endswith(RECORDS_PATH)
