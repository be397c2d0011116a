"""``python -m agent.conductor.pod FOLDER``. In this order, since others wait: what is compiled already, pipes and port,
and only then the program itself.
"""

import sys
from pathlib import Path

from agent.conductor.pod import prepared

prepared.use()

from agent.conductor.pod import early  # noqa: E402 - see above

_folder = Path(sys.argv[1])
_terms, _listening = early.begin(_folder)

from agent.conductor.pod.main import main  # noqa: E402

main(_folder, _terms, _listening)
