"""Workflows and templates that were applied. Called by control_plane.web."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Final

from control_plane.ports.clock import Clock
from control_plane.ports.records import DocumentKind, DocumentRow
from control_plane.ports.signals import Signals
from control_plane.ports.store import Store, Unit
from workflow.identifiers import Instant
from workflow.model import Parsed, WorkflowTemplate, parse_documents
from workflow.problems import Problem
from workflow.resolve import canonical_name
from workflow.views import Applied, DocumentView, ProblemView, moment

TOPIC: Final = "catalog"
"""The topic that says: a document was applied or deleted."""
MAX_DOCUMENTS: Final = 10_000
"""Documents in the catalog at the most."""


class CatalogFull(ValueError):
    """There is no room for more documents. A sentence."""


class Catalog:
    """See the module."""

    def __init__(self, store: Store, clock: Clock, signals: Signals) -> None:
        self._store = store
        self._clock = clock
        self._signals = signals

    async def apply(self, text: str, file: str) -> Applied:
        """Store all workflows and templates of a file, or none. InvalidDocument with all problems; ValueError with a
        sentence."""
        parsed = await asyncio.to_thread(parse_documents, text, file or "document")
        rows = rows_of(parsed, text, file, self._clock.now())
        await self._store.write(lambda unit: _put_all(unit, rows))
        self._signals.publish(TOPIC)
        return Applied(
            documents=tuple(view_of(row) for row in rows),
            problems=tuple(problem_view(each) for each in parsed.problems),
        )

    async def get(self, kind: DocumentKind, name: str) -> DocumentRow | None:
        """One document."""
        return await self._store.read(lambda unit: unit.catalog.get(kind, canonical_name(name)))

    async def delete(self, kind: DocumentKind, name: str) -> bool:
        """Whether there was one. Runs that use it go on."""
        there = await self._store.write(lambda unit: unit.catalog.delete(kind, canonical_name(name)))
        self._signals.publish(TOPIC)
        return there


def rows_of(parsed: Parsed, text: str, file: str, now: Instant) -> list[DocumentRow]:
    """A row for each document of the file. Each keeps the whole text, since anchors and comments reach across
    documents."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    found: list[DocumentRow] = []
    for document in (*parsed.templates, *parsed.workflows):
        kind = DocumentKind.TEMPLATE if isinstance(document, WorkflowTemplate) else DocumentKind.WORKFLOW
        name = canonical_name(document.name)
        found.append(DocumentRow(kind, name, text, file, dict(document.labels), digest, now))
    if not found:
        raise ValueError(f"there is no TestWorkflow and no TestWorkflowTemplate in {file or 'the document'}")
    return found


def view_of(row: DocumentRow) -> DocumentView:
    """What people see of a document, without its text."""
    return DocumentView(
        kind=row.kind.value,
        name=row.name,
        file=row.file,
        labels=dict(row.labels),
        digest=row.digest,
        updated_at=moment(row.updated_at),
    )


def problem_view(problem: Problem) -> ProblemView:
    """A problem as people's programs read it."""
    return ProblemView(
        file=problem.position.file,
        line=problem.position.line,
        column=problem.position.column,
        code=problem.code,
        message=problem.message,
        hint=problem.hint,
        severity=problem.severity.value,
    )


def _put_all(unit: Unit, rows: list[DocumentRow]) -> None:
    for row in rows:
        unit.catalog.put(row)
    count = sum(len(unit.catalog.list(kind)) for kind in DocumentKind)
    if count > MAX_DOCUMENTS:
        raise CatalogFull(f"the catalog holds at most {MAX_DOCUMENTS} documents")


__all__ = ["Catalog", "CatalogFull", "problem_view", "rows_of", "view_of"]
