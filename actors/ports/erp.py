"""The system that keeps the books: documents for it, and its physical stock."""

from collections.abc import Mapping
from typing import Protocol

from actors.domain.documents import ErpDocument
from actors.ports.partner import Outcome
from actors.ports.people import Contact


class ErpPort(Protocol):
    """The system that keeps the books."""

    async def find(self, document: ErpDocument) -> Outcome | None:
        """Look the document up by its reference, whatever has become of it meanwhile."""
        ...

    async def carry_out(self, document: ErpDocument, contact: Contact | None) -> Outcome:
        """Write the document, asking for the partner's own duplicate check where there is one."""
        ...

    async def stock(self) -> Mapping[str, Mapping[str, int]]:
        """Return the physical stock by warehouse (ours, not the depot's code) and SKU."""
        ...
