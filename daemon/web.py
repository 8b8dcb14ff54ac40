"""Metrics and health over HTTP, for Prometheus and whoever watches the service. It changes nothing.

/metrics: the figures, in OpenMetrics where that is asked for; /healthz: the process answers; /readyz: it
takes orders, or says why not.
"""

import errno
from collections.abc import Callable
from http import HTTPStatus

import trio

from adapters.http.server import Request, Response, serve
from daemon.metrics import Metrics
from daemon.settings import Daemon

BODY_BYTES_MAX = 1024
"""Nothing here takes a body."""

_TEXT = (("Content-Type", "text/plain; charset=utf-8"),)


class AddressTakenError(Exception):
    """The web address cannot be listened on; the text says why, for who starts the daemon."""


class Web:
    """Answers the three paths; `phase` is the daemon's own word for where it stands."""

    def __init__(self, metrics: Metrics, phase: Callable[[], str]) -> None:
        self._metrics = metrics
        self._phase = phase

    async def answer(self, request: Request) -> Response:
        """Answer a request. What a figure's source raises goes up: without its journal a daemon stops."""
        if request.method not in ("GET", "HEAD"):
            return Response(HTTPStatus.METHOD_NOT_ALLOWED, b"only GET\n", (*_TEXT, ("Allow", "GET, HEAD")))
        match request.path:
            case "/metrics":
                await self._metrics.standing.refresh(self._phase())
                figures, kind = self._metrics.exposed(request.header("accept") or "")
                return Response(HTTPStatus.OK, figures, (("Content-Type", kind),))
            case "/healthz":
                return Response(HTTPStatus.OK, b"ok\n", _TEXT)
            case "/readyz":
                phase = self._phase()
                status = HTTPStatus.OK if phase == "running" else HTTPStatus.SERVICE_UNAVAILABLE
                return Response(status, f"{phase}\n".encode(), _TEXT)
            case _:
                return Response(HTTPStatus.NOT_FOUND, b"there are /metrics, /healthz and /readyz\n", _TEXT)


async def listen(host: str, port: int) -> list[trio.SocketListener]:
    """Listen on an address of this machine.

    Raises:
        AddressTakenError: somebody else listens there, or the address is not this machine's.
    """
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        why = (
            "somebody listens there"
            if error.errno == errno.EADDRINUSE
            else error.strerror or "cannot be used"
        )
        raise AddressTakenError(f"{host}:{port}: {why}") from error


async def serve_web(
    settings: Daemon,
    metrics: Metrics,
    phase: Callable[[], str],
    *,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; `started` hands out the port.

    Raises:
        AddressTakenError: somebody else listens there, or the address is not this machine's.
    """
    listeners = await listen(settings.web_host, settings.web_port)
    port: int = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(_serve, Web(metrics, phase), listeners)
        task_status.started(port)


async def _serve(
    web: Web, listeners: list[trio.SocketListener], *, task_status: trio.TaskStatus[None]
) -> None:
    await serve(web.answer, listeners, body_bytes_max=BODY_BYTES_MAX, task_status=task_status)
