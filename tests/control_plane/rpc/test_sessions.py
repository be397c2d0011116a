"""Sessions over gRPC: how they end."""

from __future__ import annotations

import pytest

from tests.control_plane.rpc.house import HELLO, House


async def test_an_agent_that_is_gone_is_no_error_of_ours(control: House, caplog: pytest.LogCaptureFixture) -> None:
    async with control.link() as link:
        async with link.session(HELLO):
            there = await control.sessions.opened.get()
            await link.close()
        await there.closed.wait()
    await control.stop()
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
