"""What every adapter of the Signals port must do. Today there is one, which is also the production one of a single
control plane."""

from __future__ import annotations

import asyncio

import pytest

from control_plane.adapters.signals import LocalSignals
from control_plane.ports.signals import Signals


@pytest.fixture(params=["local"])
def signals(request: pytest.FixtureRequest) -> Signals:
    """Signals that nobody has subscribed to."""
    return LocalSignals()


async def test_a_signal_wakes_its_waiter(signals: Signals) -> None:
    with signals.subscribe("run/1") as subscription:
        async with asyncio.TaskGroup() as tasks:
            waiter = tasks.create_task(subscription.wait(10))
            await asyncio.sleep(0)
            signals.publish("run/1")
        assert waiter.result() is True


async def test_a_signal_between_two_waits_is_not_lost(signals: Signals) -> None:
    with signals.subscribe("queue") as subscription:
        signals.publish("queue")
        assert await subscription.wait(0) is True
        assert await subscription.wait(0) is False


async def test_several_signals_count_as_one(signals: Signals) -> None:
    with signals.subscribe("a", "b") as subscription:
        signals.publish("a", "b")
        signals.publish("b")
        assert await subscription.wait() is True
        assert await subscription.wait(0) is False


async def test_only_its_topics_wake_a_waiter(signals: Signals) -> None:
    with signals.subscribe("run/1") as one, signals.subscribe("run/1", "run/2") as two:
        signals.publish("run/2", "run/3")
        assert await one.wait(0) is False
        assert await two.wait(0) is True
        signals.publish("run/1")
        assert await one.wait(0) is True
        assert await two.wait(0) is True


async def test_nothing_is_heard_before_or_after(signals: Signals) -> None:
    signals.publish("queue")
    with signals.subscribe("queue") as subscription:
        assert await subscription.wait(0) is False
    signals.publish("queue")
    assert await subscription.wait(0) is False


async def test_a_waiter_that_is_cancelled_loses_no_signal(signals: Signals) -> None:
    with signals.subscribe("queue") as subscription:
        async with asyncio.TaskGroup() as tasks:
            waiter = tasks.create_task(subscription.wait())
            await asyncio.sleep(0)
            waiter.cancel()
            signals.publish("queue")
        assert await subscription.wait(0) is True


async def test_who_listens_is_told_each_topic_at_once(signals: Signals) -> None:
    heard: list[str] = []
    with signals.listen(heard.append, "run/1", "queue"):
        signals.publish("run/1", "run/2")
        signals.publish("run/1")
        assert heard == ["run/1", "run/1"]
    signals.publish("run/1")
    assert heard == ["run/1", "run/1"]


async def test_a_listener_hears_all_below_a_topic(signals: Signals) -> None:
    heard: list[str] = []
    with signals.listen(heard.append, "agent/"), signals.subscribe("agent/a") as one:
        signals.publish("agent/a", "agents", "agent/b/c", "queue")
        assert heard == ["agent/a", "agent/b/c"]
        assert await one.wait(0) is True
