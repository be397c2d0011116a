"""One process as a script that the gate runs: pure text.

Called by the pod's place. Everything is quoted; nothing of the step is read as the script's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from shlex import quote

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_FIND = r"""
case $1 in */*) ;; *)
  IFS=:
  for p in $PATH; do [ -f "$p/$1" ] && [ -x "$p/$1" ] && break; p=; done
  unset IFS
  [ -n "$p" ] || { echo "there is no command '$1' in this image" >&2; exit 127; }
  p=$p/$1; shift; set -- "$p" "$@" ;;
esac
"""


def job(argv: Sequence[str], env: Mapping[str, str], directory: str, printing: tuple[str, str], tools: str) -> str:
    """The script. ``directory`` empty: the image's own. ``printing``: the pipes for standard output and error.
    ``tools``: the directory of busybox, the last on PATH."""
    lines = [f"exec </dev/null >{quote(printing[0])} 2>{quote(printing[1])}"]
    if directory:
        words = quote(f"the working directory {directory} cannot be entered")
        lines.append(f"{tools}/busybox mkdir -p {quote(directory)} 2>/dev/null")
        lines.append(f"cd {quote(directory)} || {{ echo {words} >&2; exit 126; }}")
    lines += [f"export {name}={quote(value)}" for name, value in env.items() if _NAME.fullmatch(name)]
    lines.append(f'export PATH="${{PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}}:{tools}"')
    lines.append("unset OLDPWD p")
    lines.append("set -- " + " ".join(map(quote, argv)) + _FIND)
    lines.append(f'[ -x {tools}/packets ] && set -- {tools}/packets "$@"')
    odd = " ".join(quote(f"{name}={value}") for name, value in env.items() if not _NAME.fullmatch(name))
    lines.append(f'exec {tools}/busybox env {odd} "$@"' if odd else 'exec "$@"')
    return "\n".join(lines) + "\n"
