"""The OpenAPI document against the control socket: whatever the one allows, the other answers as told."""

import itertools
import json
import threading
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
import schemathesis
import structlog
import trio
from hypothesis import HealthCheck, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation

from adapters.http.server import Request, Response, serve
from daemon.control.api import Services, routes
from daemon.control.openapi import document
from daemon.control.router import Router, problem
from daemon.control.routes import Change, Following

Operation: TypeAlias = APIOperation[Any, Any, Any, Any]
Case: TypeAlias = schemathesis.Case[Any]

EXAMPLES = 8
"""A minute of them was tried once; these are for what somebody changes tomorrow."""


@pytest.fixture
def url(services: Services) -> Iterator[str]:
    """Serve the paths on loopback and a thread of its own: whoever asks here speaks no unix socket."""
    ready = threading.Event()
    where: list[str] = []
    stop: list[tuple[trio.lowlevel.TrioToken, trio.CancelScope]] = []

    async def run() -> None:
        router = Router(routes(services), services.trail)
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        where.append(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}")
        async with trio.open_nursery() as nursery:
            stop.append((trio.lowlevel.current_trio_token(), nursery.cancel_scope))

            async def start(*, task_status: trio.TaskStatus[None]) -> None:
                await serve(router.answer, listeners, refusal=problem, task_status=task_status)

            await nursery.start(start)
            ready.set()

    with structlog.testing.capture_logs():
        thread = threading.Thread(target=trio.run, args=(run,))
        thread.start()
        assert ready.wait(10)
        yield where[0]
        token, scope = stop[0]
        token.run_sync_soon(scope.cancel)
        thread.join(10)
        assert not thread.is_alive()


def as_whole_numbers_are_written(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Write 3.0 as 3: JSON Schema takes both for a whole number, and we take a fraction for a mistake."""
    match value:
        case dict():
            return {key: as_whole_numbers_are_written(each) for key, each in value.items()}
        case list():
            return [as_whole_numbers_are_written(each) for each in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def nothing_to_get_wrong(operation: Operation) -> bool:
    """Tell whether every value of its parameters is one: any text is the name of something."""
    return operation.method == "get" and "limit" not in str(operation.definition.raw)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["meant", "wrong"])
def test_whatever_is_asked_is_answered_as_the_document_says(
    services: Services, url: str, mode: GenerationMode
) -> None:
    told = [route for route in routes(services) if not isinstance(route, Following)]
    described = json.loads(json.dumps(document(told)))
    schema = schemathesis.openapi.from_dict(described)
    asked: set[str] = set()
    keys = itertools.count()
    for result in schema.get_all_operations():
        operation: Operation = result.ok()  # type: ignore[union-attr] # an error would be ours, and fail here
        if mode is GenerationMode.NEGATIVE and nothing_to_get_wrong(operation):
            continue

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=(HealthCheck.filter_too_much, HealthCheck.too_slow),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def answered(case: Case) -> None:
            asked.add(case.path)
            if mode is GenerationMode.POSITIVE and "Idempotency-Key" in (case.headers or {}):
                case.headers["Idempotency-Key"] = f"key-{next(keys)}"  # the same for two things is refused
            case.body = as_whole_numbers_are_written(case.body)
            case.call_and_validate(base_url=url)

        answered()
    assert len(asked) > len(described["paths"]) / 2


async def test_the_document_is_served_and_names_every_path_its_role_and_its_words(services: Services) -> None:
    told = routes(services)
    answer = await Router(told, services.trail).answer(Request("GET", "/v1/openapi.json", [], b"", None))
    assert isinstance(answer, Response)
    served = json.loads(answer.body)
    assert served["openapi"] == "3.1.0"
    described = {
        (path, method, operation["x-role"])
        for path, methods in served["paths"].items()
        for method, operation in methods.items()
    }
    wanted = {
        (route.path, "post" if isinstance(route, Change) else "get", route.role.name.lower())
        for route in told
        if route.path != "/v1/openapi.json"
    }
    assert described == wanted
    for methods in served["paths"].values():
        for operation in methods.values():
            assert operation["summary"].endswith((".", ":", ";")) or operation["summary"], operation
    ids = [operation["operationId"] for methods in served["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))
