"""Describes the control socket as OpenAPI 3.1, out of the routes and the wire types. It serves nothing.

What a change or an answer is for is the docstring of its type, so that it is written once.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

from actors.domain.order_state import LIFE_CYCLE
from daemon.control.access import Role
from daemon.control.asked import CONTROL, SAYS_SOMETHING
from daemon.control.asking import KEY_LENGTH_MAX
from daemon.control.router import DRY_RUN, KEY_PATTERN
from daemon.control.routes import LIMIT_MAX, Change, Following, Reading, Route
from daemon.control.wire import ProblemDetails, Trial
from daemon.version import VERSION

Document = Mapping[str, Any]

_ABOUT = (
    "HTTP/1.1 on a unix socket: curl --unix-socket /run/wharfinger/control.sock http://w/v1/status. "
    "Who asks is known by the credentials of the peer; roles are groups of the machine."
)

_LISTS = {
    "at": "([0-9]|[1-5][0-9]|6[0-3]):(0|[1-9][0-9]{0,17})",
    "state": "|".join(LIFE_CYCLE),
}
"""What stands between the commas of a parameter that is a list."""

PLAIN = f"^[^{CONTROL}]*$"
WORDS = rf"^[^{CONTROL}]*[^\s{CONTROL}][^{CONTROL}]*$"
"""The same where blanks alone are not enough, as in a reason."""

_NAME: dict[str, object] = {"type": "string", "pattern": PLAIN}

_REFUSALS = {
    HTTPStatus.BAD_REQUEST: "the request makes no sense",
    HTTPStatus.FORBIDDEN: "it takes another role",
    HTTPStatus.NOT_FOUND: "there is nothing of that name",
    HTTPStatus.CONFLICT: "a business no, and why",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the body is too large",
    HTTPStatus.UNPROCESSABLE_ENTITY: "the key was used for something else, or what is asked for is wrong",
    HTTPStatus.SERVICE_UNAVAILABLE: "the daemon starts or drains, or its database does not answer: ask again",
    HTTPStatus.GATEWAY_TIMEOUT: "it took too long: ask again, a change under the same key",
}


def document(routes: Sequence[Route]) -> Document:
    """Return the whole document."""
    kinds: set[type[Struct]] = {ProblemDetails, Trial, *(route.gives for route in routes)}
    kinds |= {route.body for route in routes if isinstance(route, Change)}
    components = _components(kinds)
    asked = _components({route.body for route in routes if isinstance(route, Change)})
    components |= {name: _plain(schema) for name, schema in asked.items()}
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        method = "post" if isinstance(route, Change) else "get"
        paths.setdefault(route.path, {})[method] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Wharfinger's control socket",
            "version": VERSION,
            "description": _ABOUT,
        },
        "paths": paths,
        "components": {"schemas": components},
    }


def _components(kinds: Collection[type[Struct]]) -> dict[str, Any]:
    ordered = sorted(kinds, key=lambda kind: kind.__name__)
    return msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")[1]


def _plain(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Return the schema of what is asked with each text bound to what the router lets through."""
    match schema:
        case {"type": "string"} if not schema.keys() & {"pattern", "format", "enum"}:
            return {**schema, "pattern": PLAIN}
        case {"pattern": pattern} if pattern == SAYS_SOMETHING:
            return {**schema, "pattern": WORDS}
        case dict():
            return {key: _plain(each) for key, each in schema.items()}
        case list():
            return [_plain(each) for each in schema]
        case _:
            return schema


def _operation(route: Route) -> dict[str, object]:
    parameters = [_in_path(name) for name in re.findall(r"\{(\w+)\}", route.path)]
    operation: dict[str, object] = {
        "operationId": _operation_id(route),
        "tags": [route.path.split("/")[2]],
        "x-role": route.role.name.lower(),
        "description": f"Takes the role {_roles(route.role)}.",
        "responses": _responses(route),
    }
    match route:
        case Reading() | Following():
            parameters += [_in_query(name, what) for name, what in route.query.items()]
            operation["summary"] = _told(route.gives)
        case Change():
            parameters += [_KEY, _TRIED]
            operation["summary"] = _told(route.body)
            operation["requestBody"] = {"required": True, "content": _content(_reference(route.body))}
    operation["parameters"] = parameters
    return operation


def _operation_id(route: Route) -> str:
    words = [word for word in re.split(r"[/{}-]", route.path)[2:] if word]
    return "_".join(["do" if isinstance(route, Change) else "get", *words])


def _roles(role: Role) -> str:
    return " or ".join(each.name.lower() for each in Role if each >= role)


def _responses(route: Route) -> dict[str, object]:
    answers = [_reference(route.gives)]
    if isinstance(route, Change):
        answers.append(_reference(Trial))
    schema = answers[0] if len(answers) == 1 else {"anyOf": answers}
    content = _content(schema)
    if isinstance(route, Following):
        content = {"application/x-ndjson": {"schema": {"type": "string"}, "x-line": schema}}
    told: dict[str, object] = {"200": {"description": _told(route.gives), "content": content}}
    problem = {"application/problem+json": {"schema": _reference(ProblemDetails)}}
    return told | {
        str(int(status)): {"description": why, "content": problem} for status, why in _REFUSALS.items()
    }


def _content(schema: object) -> dict[str, object]:
    return {"application/json": {"schema": schema}}


def _reference(kind: type[Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _told(kind: type[Struct]) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0]


def _in_path(name: str) -> dict[str, object]:
    return {"name": name, "in": "path", "required": True, "schema": {**_NAME, "minLength": 1}}


def _in_query(name: str, what: str) -> dict[str, object]:
    schema: dict[str, object] = _NAME
    if name in _LISTS:
        schema = {"type": "string", "pattern": f"^({_LISTS[name]})(,({_LISTS[name]}))*$"}
    elif name == "limit":
        schema = {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX}
    elif name == "follow":
        schema = {"type": "string", "enum": ["true", "false"]}
    elif name == "placed_before":
        schema = {"type": "string", "format": "date-time"}
    return {"name": name, "in": "query", "description": what, "schema": schema}


_KEY: dict[str, object] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "A repeat under the same key changes nothing and is answered as the first was. "
    "A change that is only tried uses none up.",
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH_MAX, "pattern": KEY_PATTERN},
}

_TRIED: dict[str, object] = {
    "name": DRY_RUN,
    "in": "query",
    "description": "Tell what would be recorded at once, and change nothing.",
    "schema": {"type": "string", "enum": ["true", "false"]},
}
