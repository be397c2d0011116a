"""Makes the generated code beside the .proto files anew, or says where it differs. Called by make.

``python protos/generate.py`` writes; ``python protos/generate.py --check`` writes nothing and exits 1 where the
committed code is not what these .proto files give. Needs grpcio-tools and mypy-protobuf (the ``dev`` extra).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path("protos/muster/v1")


def generate(target: Path) -> None:
    """Generate into ``target``, below the same path as here. The plugins are those beside the running Python."""
    outputs = [f"--{kind}_out={target}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    sources = sorted(str(source.relative_to(ROOT)) for source in (ROOT / FOLDER).glob("*.proto"))
    plugins = [f"--plugin=protoc-gen-{name}={_beside(f'protoc-gen-{name}')}" for name in ("mypy", "mypy_grpc")]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-I", ".", *plugins, *outputs, *sources], cwd=ROOT, check=True
    )


def _beside(program: str) -> str:
    found = shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program)
    if found is None:
        sys.exit(f"{program} is missing: pip install mypy-protobuf")
    return found


def drift() -> list[str]:
    """The generated files that are missing, left over or different."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = _contents(Path(folder) / FOLDER)
    present = _contents(ROOT / FOLDER)
    return sorted(name for name in fresh.keys() | present.keys() if fresh.get(name) != present.get(name))


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*_pb2*.py*") if path.is_file()}


def main() -> None:
    if sys.argv[1:] == ["--check"]:
        if differing := drift():
            sys.exit(f"generated code is stale ({', '.join(differing)}): run make protos and commit the result")
    elif not sys.argv[1:]:
        generate(ROOT)
    else:
        sys.exit("usage: generate.py [--check]")


if __name__ == "__main__":
    main()
