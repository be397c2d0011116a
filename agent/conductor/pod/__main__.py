"""``python -m agent.conductor.pod FOLDER``."""

from agent.conductor.pod.main import main

main()
