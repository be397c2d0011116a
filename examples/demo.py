"""The demonstration: one change validated in dev, staging and prod at once, on this machine.

Run by `make demo`. It uses the command line as a person would, and exits 0 when everything went as the README says:
the tests pass in dev and staging, one of them fails in prod, the comparison marks it, and the secret never shows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def muster(*words: str, state: Path, quiet: bool = False) -> subprocess.CompletedProcess[str]:
    """Run ``muster`` as at a prompt; its standard output is shown and kept."""
    if not quiet:
        print(f"\n$ muster {' '.join(words)}", flush=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "muster", *words],
        env={**os.environ, "MUSTER_STATE": str(state)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if not quiet:
            print(line, end="", flush=True)
    return subprocess.CompletedProcess(words, process.wait(), "".join(lines))


def show(state: Path) -> list[str]:
    """The show itself; what did not go as promised."""
    wrong = []
    os.chdir(HERE.parent)
    if muster("up", "--detach", "--environments", "examples/environments", state=state).returncode:
        return ["muster did not come up"]
    if muster("apply", "-f", "examples/workflows", state=state).returncode:
        wrong.append("the examples were not applied")
    run = muster("run", "cross-environment", state=state)
    if run.returncode != 1:
        wrong.append(f"the run should fail because of prod (exit code 1), it ended with {run.returncode}")
    if "demo-key-of-" in run.stdout.replace("startswith", ""):
        wrong.append("a secret was shown")
    told = muster("compare", "cross-environment-1", "--output", "json", state=state, quiet=True)
    table = json.loads(told.stdout)["tables"][0] if not told.returncode else {"rows": []}
    different = [row["name"] for row in table["rows"] if row["differs"]]
    if not any("test_discount_comes_before_tax" in name for name in different):
        wrong.append(f"the comparison should mark test_discount_comes_before_tax, it marks {different}")
    muster("why", "cross-environment-1", state=state)
    return wrong


def main() -> int:
    """Show it, stop what was started, say how it went."""
    with tempfile.TemporaryDirectory(prefix="muster-demo-") as folder:
        state = Path(folder)
        try:
            wrong = show(state)
        finally:
            muster("down", state=state)
    for sentence in wrong:
        print(f"not as promised: {sentence}", file=sys.stderr)
    if not wrong:
        print("\nThe change is good in dev and staging, and not in prod: there the shop rounds down.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
