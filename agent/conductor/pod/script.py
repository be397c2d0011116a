"""The gate: what runs in a step container from its start to its end. A few lines of busybox sh, nothing of the image's.

Put into the container's command by the Kubernetes executor; spoken with by ``gate``. Three pipes in the container's
folder. The conductor holds its ends for as long as it lives: when it ends, so does everything here.

| pipe | direction | lines |
|---|---|---|
| jobs | in | the path of a job to run |
| signals | in | number, signal, whom (``-1``: every process of the container but these; else minus a group) |
| answers | out | ``hello PID DIRECTORY``, ``began PID JOB``, ``ended CODE OOMS JOB``, ``signaled NUMBER`` |

As the first process of its container the gate is beyond every signal of the container's own processes. Its ear, the
process that takes signals, is not: it is made anew after a step that has killed it (``jobs`` lets the shell see that).
The gate itself opens the pipe of signals: an ear that opened it might come too late, and would wait for ever.
It looks for its pipes until they are there, the one for answers last: before them there is nothing that could be
waited on.
A job that has begun a moment ago may not lead its group yet: then it is signalled itself.
OOMS says how many processes of the container the kernel has killed for memory so far.
"""

from __future__ import annotations

from typing import Final

JOBS: Final = "jobs"
SIGNALS: Final = "signals"
ANSWERS: Final = "answers"
PIPES: Final = (JOBS, SIGNALS, ANSWERS)
"""The names of the three, inside a container's folder."""

GATE: Final = r"""
d=$1 b=$2
until [ -p "$d/answers" ]; do "$b" sleep 0.01; done
ear() {
  exec 3<&-
  while read -r n s w <&5; do
    kill -s "$s" "$w" 2>/dev/null || [ "$w" = -1 ] || kill -s "$s" "${w#-}" 2>/dev/null
    echo "signaled $n" >&4
  done
  [ "$own" = -1 ] && kill -s KILL -1 2>/dev/null
}
ooms() {
  o=0
  for f in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
    [ -r "$f" ] || continue
    while read -r k v; do [ "$k" = oom_kill ] && o=$v; done <"$f"
    return
  done
}
own= session="$b setsid"
[ $$ = 1 ] && own=-1 session=
exec 3<"$d/jobs" 5<"$d/signals" 4>"$d/answers"
ear & e=$!
echo "hello $$ $PWD" >&4
while read -r j <&3; do
  $session "$b" sh "$j" 3<&- 4>&- 5<&- &
  p=$!
  echo "began $p $j" >&4
  wait $p 2>/dev/null
  c=$? o=0
  [ $c = 0 ] || ooms
  jobs >/dev/null 2>&1
  kill -0 "$e" 2>/dev/null || { ear & e=$!; }
  echo "ended $c $o $j" >&4
done
"""
"""Arguments: the container's folder, the path of busybox."""
