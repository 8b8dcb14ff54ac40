"""Reads a table of TOML into Structs and names everything that is wrong with it, not only the first thing.

msgspec stops at the first mistake, so this walks the fields itself and lets msgspec judge each value. Secrets
never stand in the file: the field `key` is given as `key_file` or `key_env`. It knows no setting by name.
"""

import os
import re
import stat
import types
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Struct
from msgspec.structs import FieldInfo

from adapters.settings import Problem, Secret

S = TypeVar("S", bound=Struct)

SECRET_BYTES_MAX = 64 * 1024
"""A key or a password is far smaller: more than this is the wrong file."""

HANDED_OVER = "secret_"
"""What the units' LoadCredential= puts before the names of the files in their credentials folder."""

_SECRET_NAME = re.compile(r"(^|_)(key|password|secret|token)$")
_BARE_KEY = re.compile(r"^[A-Za-z0-9_-]+$")
_AT = re.compile(r" - at `\$(.*)`$")


class Secrets:
    """Where secrets lie: files, the relative ones in systemd's credentials directory, and the environment.

    Args:
        folder: what relative names are taken from where systemd hands over no credentials.
        environ: the process's environment.
        source: the folder that the unit has systemd hand over, each file under `HANDED_OVER`: so that a
            command that a person types finds the same secrets. None where there is no such folder.

    Attributes:
        exposed: the files so far that every account of the machine may read.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], source: Path | None = None) -> None:
        handed_over = environ.get("CREDENTIALS_DIRECTORY")
        self._folder = Path(handed_over) if handed_over else folder
        self._source = None if handed_over else source
        self._environ = environ
        self.exposed: list[Path] = []

    def from_file(self, name: str) -> Secret:
        """Return what the file holds, without the line's end.

        Raises:
            ValueError: with what a person may do about it, and nothing of the contents.
        """
        path = self._path_of(name)
        try:
            with path.open("rb") as file:
                raw = file.read(SECRET_BYTES_MAX + 1)
                if os.fstat(file.fileno()).st_mode & stat.S_IROTH and _is_in_the_open(path):
                    self.exposed.append(path)
        except OSError as error:
            raise ValueError(
                f"cannot read {path}: {error.strerror or type(error).__name__}{self._meant(name)}"
            ) from None
        if len(raw) > SECRET_BYTES_MAX:
            raise ValueError(f"{path} is larger than {SECRET_BYTES_MAX} bytes")
        try:
            text = raw.decode().strip("\r\n")
        except UnicodeDecodeError:
            raise ValueError(f"{path} is not UTF-8 text") from None
        if not text:
            raise ValueError(f"{path} is empty")
        return Secret(text)

    def _path_of(self, name: str) -> Path:
        path = self._folder / name
        if self._source is not None and name.startswith(HANDED_OVER) and not path.exists():
            return self._source / name.removeprefix(HANDED_OVER)
        return path

    def _meant(self, name: str) -> str:
        """Name the secret of that name that the unit hands over, where there is one and no such file."""
        handed = HANDED_OVER + name
        there = not self._path_of(name).exists() and self._path_of(handed).exists()
        return f": is {handed} meant?" if there else ""

    def from_environment(self, name: str) -> Secret:
        """Return a variable's value.

        Raises:
            ValueError: it is not set, or empty.
        """
        text = self._environ.get(name)
        if not text:
            raise ValueError(f"the environment has no {name}")
        return Secret(text)


class Reader:
    """Reads tables and gathers what is wrong in `problems`; a value that is wrong reads as None."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self.problems: list[Problem] = []

    def complain(self, path: str, why: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(path, why))

    def table(self, path: str, value: object) -> Mapping[str, object] | None:
        """Return `value` if it is a table."""
        if isinstance(value, Mapping):
            return value
        self.complain(path, f"expected a table, got {_kind_of(value)}")
        return None

    def struct(self, path: str, table: Mapping[str, object], kind: type[S]) -> S | None:
        """Read a table that is one Struct."""
        return self.structs(path, table, (kind,))[0]

    def structs(
        self, path: str, table: Mapping[str, object], kinds: Sequence[type[S]], also: Collection[str] = ()
    ) -> tuple[S | None, ...]:
        """Read a table whose keys belong to several Structs, or to `also`, which the caller reads."""
        fields = [msgspec.structs.fields(kind) for kind in kinds]
        known = {*also, *(key for group in fields for field in group for key in _keys_of(field))}
        self.known_only(path, table, known)
        return tuple(
            self._struct(path, table, kind, group) for kind, group in zip(kinds, fields, strict=True)
        )

    def known_only(self, path: str, table: Mapping[str, object], known: Collection[str]) -> None:
        """Complain of each key that is none of these."""
        for key in table:
            if key not in known:
                self.complain(join(path, key), _unknown(key, known))

    def choice(self, path: str, table: Mapping[str, object], key: str, names: Collection[str]) -> str | None:
        """Read a key that has to be one of these names."""
        value = table.get(key)
        where = join(path, key)
        if key not in table:
            self.complain(where, f"is missing: expected {_one_of(names)}")
            for near in get_close_matches(key, table, n=1):
                self.complain(join(path, near), f"unknown: is {key} meant?")
        elif not isinstance(value, str):
            self.complain(where, f"expected str, got {_kind_of(value)}")
        elif value not in names:
            self.complain(where, f"expected {_one_of(names)}, got {value!r}")
        else:
            return value
        return None

    def _struct(
        self, path: str, table: Mapping[str, object], kind: type[S], fields: Sequence[FieldInfo]
    ) -> S | None:
        before = len(self.problems)
        values: dict[str, object] = {}
        for field in fields:
            where = join(path, field.encode_name)
            if _is_secret(field):
                secret = self._secret(path, table, field)
                if secret is not None:
                    values[field.name] = secret if _holds_secret(field.type) else secret.reveal()
            elif field.encode_name in table:
                values[field.name] = self._value(where, table[field.encode_name], field.type)
            elif field.required:
                self.complain(where, f"is missing: expected {_wanted(field.type)}")
        return kind(**values) if len(self.problems) == before else None

    def _value(self, path: str, value: object, kind: Any) -> object:  # noqa: ANN401 - a type expression
        bare = _bare(kind)
        if isinstance(bare, type) and issubclass(bare, Struct):
            table = self.table(path, value)
            return None if table is None else self.struct(path, table, bare)
        if not _is_mapping(bare):
            return self._convert(path, value, kind)
        table = self.table(path, value)
        if table is None:
            return None
        before, (key_kind, item_kind) = len(self.problems), get_args(bare)
        for key in table:
            self._convert(join(path, key), key, key_kind)
        read = {key: self._value(join(path, key), item, item_kind) for key, item in table.items()}
        # What holds of the table as a whole, such as how many it has, is judged once each of it is right.
        return read if kind is bare or len(self.problems) > before else self._convert(path, read, kind)

    def _convert(self, path: str, value: object, kind: Any) -> object:  # noqa: ANN401 - a type expression
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            text = str(error)
            at = _AT.search(text)
            text = _AT.sub("", text).replace("`", "").replace("got object", "got a table")
            if get_origin(kind) is Literal and isinstance(value, str):
                text = f"expected {_one_of(get_args(kind))}, got {value!r}"
            self.complain(path + (at[1] if at else ""), text[:1].lower() + text[1:])
            return None

    def _secret(self, path: str, table: Mapping[str, object], field: FieldInfo) -> Secret | None:
        name = field.encode_name
        file, env = _sources(name)
        given = [key for key in (name, file, env) if key in table]
        if name in given:
            self.complain(join(path, name), f"is a secret and does not stand here: give {file} or {env}")
        elif not given:
            if field.required:
                self.complain(join(path, name), f"is missing: give {file} or {env}")
        elif len(given) > 1:
            self.complain(join(path, env), f"is given twice: {file} and {env}")
        elif not isinstance(source := table[given[0]], str) or not source:
            self.complain(join(path, given[0]), f"expected str, got {_kind_of(source)}")
        else:
            try:
                found = (
                    self._secrets.from_file(source)
                    if given[0] == file
                    else self._secrets.from_environment(source)
                )
            except ValueError as error:
                self.complain(join(path, given[0]), str(error))
            else:
                return self._judged(join(path, given[0]), found, field)
        return None

    def _judged(self, path: str, secret: Secret, field: FieldInfo) -> Secret | None:
        """Hold a secret that its plugin keeps as text to the bounds of its type, without repeating it."""
        if not _holds_secret(field.type):
            try:
                msgspec.convert(secret.reveal(), field.type)
            except msgspec.ValidationError as error:
                self.complain(path, f"what it holds does not fit: {error}".replace("`", ""))
                return None
        return secret


def given_as(table: Mapping[str, object], name: str) -> str:
    """Return by which key of a table a secret is given: its own name where it is by none."""
    return next((key for key in _sources(name) if key in table), name)


def _sources(name: str) -> tuple[str, str]:
    """Return the keys by which a secret is given: as a file, and as a variable."""
    return f"{name}_file", f"{name}_env"


def _is_in_the_open(path: Path) -> bool:
    """Tell whether every account gets as far as the file; its own mode is another matter."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)


def join(path: str, key: str) -> str:
    """Return the path of a key below a table, spelled as TOML spells it."""
    spelled = key if _BARE_KEY.match(key) else f'"{key}"'
    return f"{path}.{spelled}" if path else spelled


def _is_secret(field: FieldInfo) -> bool:
    return _holds_secret(field.type) or (
        _is_text(field.type) and bool(_SECRET_NAME.search(field.encode_name))
    )


def _holds_secret(kind: Any) -> bool:  # noqa: ANN401 - a type expression
    return kind is Secret or (get_origin(kind) in (Union, types.UnionType) and Secret in get_args(kind))


def _is_text(kind: Any) -> bool:  # noqa: ANN401 - a type expression
    return kind is str or (hasattr(kind, "__metadata__") and get_args(kind)[0] is str)


def _keys_of(field: FieldInfo) -> tuple[str, ...]:
    name = field.encode_name
    return (name, *_sources(name)) if _is_secret(field) else (name,)


def _unknown(key: str, known: Collection[str]) -> str:
    near = get_close_matches(key, sorted(known), n=1)
    return f"unknown: is {near[0]} meant?" if near else f"unknown: known here are {', '.join(sorted(known))}"


def _one_of(names: Collection[str]) -> str:
    return " or ".join(repr(name) for name in names)


def _bare(kind: Any) -> Any:  # noqa: ANN401 - type expressions
    return get_args(kind)[0] if hasattr(kind, "__metadata__") else kind


def _is_mapping(kind: Any) -> bool:  # noqa: ANN401 - a type expression
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _wanted(kind: Any) -> str:  # noqa: ANN401 - a type expression
    kind = _bare(kind)
    if _is_mapping(kind) or (isinstance(kind, type) and (issubclass(kind, Struct) or kind is dict)):
        return "a table"
    return kind.__name__ if isinstance(kind, type) else str(kind)


def _kind_of(value: object) -> str:
    match value:
        case bool() | int() | float() | str():
            return type(value).__name__
        case Mapping():
            return "a table"
        case list():
            return "array"
        case _:
            return type(value).__name__
