"""Proves from the events alone that the log is whole and that no unit was promised twice.

It shares nothing with the writer but the types of the events: the chain, the meaning of each stock event and
the state of each promise are read here a second time, by other code.
"""

from adapters.postgres.audit.report import AuditReport, Finding
from adapters.postgres.audit.run import audit

__all__ = ["AuditReport", "Finding", "audit"]
