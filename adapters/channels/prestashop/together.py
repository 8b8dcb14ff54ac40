"""Requests side by side, whose caller hears one of our errors as if they were one request."""

from collections.abc import Generator
from contextlib import contextmanager

from actors.errors import PartnerError
from adapters.channels.prestashop.fields import FieldError


@contextmanager
def collapsed() -> Generator[None]:
    """Raise the first of our errors that reads side by side have raised, instead of a group of them."""
    try:
        yield
    except* (PartnerError, FieldError) as group:
        raise _first(group) from group


def _first(group: BaseExceptionGroup[PartnerError | FieldError]) -> PartnerError | FieldError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
