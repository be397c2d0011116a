"""The journal, its output also printed, so that ``kubectl logs`` shows what a person expects. Made by the pod's main.

Only a convenience: what the container runtime does not take at once is left out, with a line that says so.
"""

from __future__ import annotations

import os
from pathlib import Path

from agent.conductor.journal import Journal
from workflow.journal import AttemptFinished, Entry, Output, Record, StepFinished, StepStarted


class EchoingJournal(Journal):
    """A journal that prints."""

    def __init__(self, folder: Path, descriptor: int = 1) -> None:
        super().__init__(folder)
        self._descriptor = descriptor
        self._left_out = 0
        os.set_blocking(descriptor, False)

    def append(self, entry: Entry) -> Record:
        record = super().append(entry)
        match entry:
            case Output(data=data):
                self._print(data)
            case StepStarted(ref=ref):
                self._print(f"--- step {ref}\n".encode())
            case StepFinished(ref=ref, status=status, reason=reason):
                self._print(f"--- step {ref} {status.value}{': ' if reason else ''}{reason}\n".encode())
            case AttemptFinished(state=state, reason=reason):
                self._print(f"--- {state.value}{': ' if reason else ''}{reason}\n".encode())
            case _:
                pass
        return record

    def _print(self, data: bytes) -> None:
        try:
            if self._left_out:
                os.write(self._descriptor, f"\n--- {self._left_out} bytes are left out here\n".encode())
                self._left_out = 0
            written = os.write(self._descriptor, data)
        except OSError:
            written = 0
        self._left_out += len(data) - written
