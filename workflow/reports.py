"""JUnit XML read into test cases, within bounds, whoever wrote it.

Called by control_plane.services.comparison with the artifacts that look like reports. Knows nothing of artifacts or
environments. The XML is read as a stream: nothing of it is kept but the cases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

MAX_REPORT: Final = 16 * 1024 * 1024
"""Bytes of one report at the most."""
MAX_CASES: Final = 20_000
"""Test cases of one report at the most."""
MAX_DEPTH: Final = 64
"""Nesting of elements at the most."""
MAX_NAME: Final = 512
"""Characters of a name that are kept."""
MAX_MESSAGE: Final = 2048
"""Characters of a message that are kept."""

_PIECE: Final = 64 * 1024


class NotAReport(ValueError):
    """This is no JUnit XML, or none that we read. The message says why."""


class TestStatus(StrEnum):
    """How a test case came out. ``error``: it could not be carried out."""

    __test__ = False

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class TestCase:
    """One test case. ``group`` is its class, else its suite. ``duration`` in microseconds."""

    __test__ = False

    group: str
    name: str
    status: TestStatus
    duration: int | None = None
    message: str = ""


def looks_like_report(name: str) -> bool:
    """Whether an artifact of this name is worth reading."""
    return name.lower().endswith(".xml")


def read_junit(data: bytes) -> tuple[TestCase, ...]:
    """The test cases in written order. Raises ``NotAReport``."""
    if len(data) > MAX_REPORT:
        raise NotAReport(f"the report is larger than {MAX_REPORT // 1024 // 1024} MiB")
    reader = _Reader()
    parser = DefusedXMLParser(target=reader, forbid_dtd=True)
    try:
        for start in range(0, len(data), _PIECE):
            parser.feed(data[start : start + _PIECE])
        parser.close()
    except (ParseError, DefusedXmlException, LookupError, ValueError) as error:
        raise NotAReport(f"not readable as JUnit XML: {str(error)[:200]}") from error
    return tuple(reader.cases)


@dataclass(slots=True)
class _Open:
    """The test case that is being read."""

    group: str
    name: str
    duration: int | None
    status: TestStatus = TestStatus.PASSED
    message: str = ""
    text: list[str] = field(default_factory=list)
    room: int = MAX_MESSAGE


_OUTCOMES: Final = {
    "failure": TestStatus.FAILED,
    "error": TestStatus.ERROR,
    "skipped": TestStatus.SKIPPED,
}


class _Reader:
    """The parser's target: what ``xml.etree`` calls for each element."""

    def __init__(self) -> None:
        self.cases: list[TestCase] = []
        self._suites: list[str] = []
        self._depth = 0
        self._case: _Open | None = None
        self._inside = ""  # the outcome element whose text is being read

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition("}")[2]
        self._depth += 1
        if self._depth == 1 and tag not in {"testsuites", "testsuite"}:
            raise NotAReport(f"its root is <{tag[:40]}>, not <testsuites>")
        if self._depth > MAX_DEPTH:
            raise NotAReport(f"elements are nested deeper than {MAX_DEPTH}")
        if tag == "testsuite":
            self._suites.append(attributes.get("name", "")[:MAX_NAME])
        elif tag == "testcase":
            self._begin(attributes)
        elif self._case and tag in _OUTCOMES:
            self._outcome(self._case, tag, attributes)

    def data(self, text: str) -> None:
        if self._case and self._inside and self._case.room > 0:
            self._case.text.append(text[: self._case.room])
            self._case.room -= len(text)

    def end(self, tag: str) -> None:
        tag = tag.rpartition("}")[2]
        self._depth -= 1
        if tag == "testsuite":
            self._suites.pop()
        elif tag == "testcase" and self._case:
            self._finish(self._case)
        elif tag == self._inside:
            self._inside = ""

    def close(self) -> None:
        """Nothing is left to do."""

    def _begin(self, attributes: dict[str, str]) -> None:
        if len(self.cases) >= MAX_CASES:
            raise NotAReport(f"it has more than {MAX_CASES} test cases")
        suite = self._suites[-1] if self._suites else ""
        self._case = _Open(
            group=(attributes.get("classname") or suite)[:MAX_NAME],
            name=attributes.get("name", "")[:MAX_NAME],
            duration=_microseconds(attributes.get("time", "")),
        )

    def _outcome(self, case: _Open, tag: str, attributes: dict[str, str]) -> None:
        if case.status is TestStatus.PASSED:
            case.status = _OUTCOMES[tag]
            case.message = (attributes.get("message") or attributes.get("type") or "")[:MAX_MESSAGE]
            self._inside = tag

    def _finish(self, case: _Open) -> None:
        message = case.message or "".join(case.text).strip()
        self.cases.append(TestCase(case.group, case.name, case.status, case.duration, message))
        self._case, self._inside = None, ""


def _microseconds(seconds: str) -> int | None:
    try:
        value = float(seconds.replace(",", ""))
    except ValueError:
        return None
    return int(value * 1_000_000) if 0 <= value < 1e9 else None
