"""``python -m agent.conductor.pod FOLDER``. In this order, since others wait: what is compiled already, pipes and port,
and only then the program itself, which loads its second half while the agent dials.
"""

import gc
import sys
from pathlib import Path

gc.disable()  # what is loaded stays: looking for what could go takes a tenth of the start

from agent.conductor.pod import unused  # noqa: E402 - see above

unused.defer()  # first of all: what comes next loads some of it

from agent.conductor.pod import prepared  # noqa: E402

prepared.use()

from agent.conductor.pod import early  # noqa: E402

_folder = Path(sys.argv[1])
_terms, _listening = early.begin(_folder)

from agent.conductor.pod.main import main  # noqa: E402

main(_folder, _terms, _listening)
