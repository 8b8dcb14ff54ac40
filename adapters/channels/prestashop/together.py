"""Requests side by side, whose caller hears one of our errors as if they were one request."""

from collections.abc import Generator
from contextlib import contextmanager

from actors.errors import PartnerError
from adapters.channels.prestashop.fields import FieldError


@contextmanager
def collapsed() -> Generator[None]:
    """Raise the first of our errors that reads side by side have raised, instead of a group of them."""
    # Not `except*`: before 3.11.4, as on Debian 12, Python makes a group again of what is raised in there.
    try:
        yield
    except BaseExceptionGroup as group:
        ours, others = group.split((PartnerError, FieldError))
        if ours is None or others is not None:
            raise
        raise _first(ours) from group


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
