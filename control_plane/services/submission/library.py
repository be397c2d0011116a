"""Documents parsed once. Used by planning: texts of the catalog change rarely and are needed for every run and
child."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

from control_plane.ports.records import DocumentRow
from workflow.model import Workflow, WorkflowTemplate, parse_documents
from workflow.problems import InvalidDocument, Position, Problem

_KEPT: Final = 256


class Library:
    """Parsed documents by the digest of their text. Called from worker threads: every step is atomic by itself."""

    def __init__(self) -> None:
        self._parsed: OrderedDict[tuple[str, str], Workflow | WorkflowTemplate] = OrderedDict()

    def workflow(self, row: DocumentRow) -> Workflow:
        """The workflow of a catalog row. InvalidDocument where today's rules refuse it."""
        found = self._document(row)
        if not isinstance(found, Workflow):
            raise InvalidDocument((Problem("wrong-kind", f"{row.name} is no workflow", Position(row.file)),))
        return found

    def templates(self, rows: Iterable[DocumentRow]) -> Mapping[str, WorkflowTemplate]:
        """The templates of catalog rows, by name. Those that today's rules refuse are left out."""
        found: dict[str, WorkflowTemplate] = {}
        for row in rows:
            try:
                document = self._document(row)
            except InvalidDocument:
                continue
            if isinstance(document, WorkflowTemplate):
                found[row.name] = document
        return found

    def _document(self, row: DocumentRow) -> Workflow | WorkflowTemplate:
        key = (row.name, row.digest)
        known = self._parsed.get(key)
        if known is not None:
            return known
        parsed = parse_documents(row.text, row.file)
        documents: list[Workflow | WorkflowTemplate] = [*parsed.workflows, *parsed.templates]
        for document in documents:
            self._parsed[(document.name.replace("/", "--"), row.digest)] = document
        while len(self._parsed) > _KEPT:
            self._parsed.popitem(last=False)
        found = self._parsed.get(key)
        if found is None:
            raise InvalidDocument((Problem("missing-document", f"{row.name} is not in its text", Position(row.file)),))
        return found
