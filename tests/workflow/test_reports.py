"""JUnit XML as tools write it, and as attackers do."""

from __future__ import annotations

import pytest

from workflow.reports import MAX_CASES, MAX_MESSAGE, MAX_REPORT, NotAReport, TestCase, TestStatus, read_junit

PYTEST = b"""<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" errors="0" failures="1" skipped="1" tests="4" time="0.05">
<properties><property name="failure" value="no"/></properties>
<testcase classname="tests.test_shop" name="test_cart" time="0.002" />
<testcase classname="tests.test_shop" name="test_tax" time="1,000.5"><failure message="assert 19 == 7">E  assert 19 == 7
</failure><system-out>noise</system-out></testcase>
<testcase classname="tests.test_shop" name="test_later" time="0">
<skipped type="pytest.skip" message="not now">x</skipped></testcase>
<testcase classname="tests.test_shop" name="test_broken"><error>  fixture 'db' not found </error></testcase>
</testsuite></testsuites>"""


def test_what_pytest_writes() -> None:
    assert read_junit(PYTEST) == (
        TestCase("tests.test_shop", "test_cart", TestStatus.PASSED, 2000),
        TestCase("tests.test_shop", "test_tax", TestStatus.FAILED, 1_000_500_000, "assert 19 == 7"),
        TestCase("tests.test_shop", "test_later", TestStatus.SKIPPED, 0, "not now"),
        TestCase("tests.test_shop", "test_broken", TestStatus.ERROR, None, "fixture 'db' not found"),
    )


def test_suites_in_suites_name_what_has_no_class() -> None:
    data = b"<testsuite name='o'><testsuite name='i'><testcase name='a'/></testsuite><testcase name='b'/></testsuite>"
    assert [(case.group, case.name) for case in read_junit(data)] == [("i", "a"), ("o", "b")]


def test_namespaces_do_not_matter() -> None:
    data = b"<testsuite xmlns='urn:x' name='s'><testcase name='a'><failure/></testcase></testsuite>"
    assert read_junit(data)[0].status is TestStatus.FAILED


def test_a_long_message_is_cut() -> None:
    data = b"<testsuite><testcase name='a'><failure>" + b"x" * 100_000 + b"</failure></testcase></testsuite>"
    assert read_junit(data)[0].message == "x" * MAX_MESSAGE


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not readable"),
        (b"{}", "not readable"),
        (b"<coverage/>", "its root is <coverage>"),
        (b"<testsuites><testcase name='a'>", "not readable"),
        (b"<!DOCTYPE t [<!ENTITY a 'aaaa'>]><testsuites>&a;</testsuites>", "not readable"),
        (b"<!DOCTYPE t SYSTEM 'file:///etc/passwd'><testsuites/>", "not readable"),
        (b"<?xml version='1.0' encoding='nonsense'?><testsuites/>", "not readable"),
        (b"<testsuites>" + b"<a>" * 70, "nested deeper"),
        (b"<testsuites>" + b"<testcase/>" * (MAX_CASES + 1), "more than"),
        (b" " * (MAX_REPORT + 1), "larger than"),
    ],
    ids=["empty", "json", "coverage", "cut", "entities", "external", "encoding", "deep", "many", "large"],
)
def test_what_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(NotAReport, match=why):
        read_junit(data)
