"""Events of a pod as sentences: which, how many, in what order."""

from __future__ import annotations

from typing import Any

from agent.executors.kubernetes.events import told
from workflow.session import MAX_NOTE, MOST_NOTES


def event(reason: str, message: str, second: int, kind: str = "Warning", **more: Any) -> dict[str, Any]:
    """As the API server shows it."""
    moment = f"2026-01-01T00:{second // 60:02}:{second % 60:02}Z"
    return {"type": kind, "reason": reason, "message": message, "lastTimestamp": moment, **more}


def test_warnings_and_what_is_about_nodes_and_images_in_the_clusters_words() -> None:
    found = told(
        [
            event("BackOff", "Back-off pulling image", 9, count=4),
            event("Scheduled", "Successfully assigned", 1, "Normal"),
            event("Created", "Created container", 3, "Normal"),
            event("FailedScheduling", "0/1 nodes are available", 0, eventTime=None),
            {"type": "Warning", "reason": "Evicted", "eventTime": "2026-01-01T00:01:00.5Z", "message": "low on memory"},
        ]
    )
    assert found == (
        "Warning FailedScheduling: 0/1 nodes are available",
        "Scheduled: Successfully assigned",
        "Warning BackOff (4 times): Back-off pulling image",
        "Warning Evicted: low on memory",
    )


def test_many_and_long_ones_are_cut_and_warnings_stay() -> None:
    flood = [event("Pulling", "x" * 10_000, second, "Normal") for second in range(100)]
    found = told([event("FailedMount", "no such secret", 0), *flood])
    assert len(found) == MOST_NOTES and all(len(note) <= MAX_NOTE for note in found)
    assert found[0] == "Warning FailedMount: no such secret"


def test_what_is_no_sound_event_is_no_trouble() -> None:
    assert told([{}, {"type": "Warning"}, {"type": "Warning", "series": {"count": 3}, "message": None}])
