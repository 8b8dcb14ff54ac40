"""Look-ups by key that are asked together: what waits while one statement is under way goes into the next.

A look-up by itself costs the way to the database's thread and back, a hundred side by side hardly more.
It knows no SQL.
"""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Final, Generic, TypeVar

import trio

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

TOGETHER_MAX: Final = 256
"""Keys of one statement: beyond that the answer's size, not the way, is what takes time."""


class _Question(Generic[V]):
    """One asker's."""

    __slots__ = ("answered", "error", "value")

    def __init__(self) -> None:
        self.answered = trio.Event()
        self.value: V | None = None
        self.error: Exception | None = None


class Lookups(Generic[K, V]):
    """Look-ups of one kind. `run` has to run. `ask_all` answers many keys, less what is not there."""

    def __init__(self, ask_all: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._ask_all = ask_all
        self._waiting: dict[K, list[_Question[V]]] = {}
        self._work = trio.Event()

    async def find(self, key: K) -> V | None:
        """Return what is found under the key, by a statement that begins after this call.

        Raises:
            Exception: whatever `ask_all` raised, for all who asked together.
        """
        question: _Question[V] = _Question()
        self._waiting.setdefault(key, []).append(question)
        self._work.set()
        await question.answered.wait()
        if question.error is not None:
            raise question.error
        return question.value

    async def run(self) -> None:
        """Ask what waits, until cancelled."""
        while True:
            while not self._waiting:
                self._work = trio.Event()
                await self._work.wait()
            keys = list(self._waiting)[:TOGETHER_MAX]
            asked = {key: self._waiting.pop(key) for key in keys}
            found: Mapping[K, V] = {}
            error: Exception | None = None
            try:
                found = await self._ask_all(keys)
            except Exception as raised:  # noqa: BLE001 - it is raised where the answer is waited for
                error = raised
            for key, questions in asked.items():
                for question in questions:
                    question.value, question.error = found.get(key), error
                    question.answered.set()
