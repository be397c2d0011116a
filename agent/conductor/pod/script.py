"""The gate: what runs in a step container from its start to its end. A few lines of busybox sh, nothing of the image's.

Put into the container's command by the Kubernetes executor; spoken with by ``gate``. Three pipes in the container's
folder. The conductor holds its ends for as long as it lives: when it ends, so does everything here.

| pipe | direction | lines |
|---|---|---|
| jobs | in | the path of a job to run |
| signals | in | number, signal, whom: ``-1`` the whole container but these, ``0`` nobody, minus a group |
| answers | out | ``hello PID DIRECTORY``, ``began PID JOB``, ``ended CODE OOMS JOB``, ``signaled NUMBER`` |

As the first process of its container the gate is beyond every signal of the container's own processes. Its ear, the
process that takes signals, is not: ``heed`` makes it anew when a step has killed it, and wakens it when one has stopped
it. It is called by the trap itself: whatever a loop around ``wait`` did could come just before the wait, and the next
change of a child be the job's end. A change while it is at work only raises its count ``h``, and it goes round again.
What came before the trap is seen by the call after it. ``wait`` ends with 145 (SIGCHLD) whenever any child does;
``jobs`` lets the shell forget them. A ``read`` that fails is tried again, since a signal may have ended it; at the
pipe's end it fails at once.
An interrupt is the one signal that a shell with a script catches even then, and ends by: so it is ignored.
The gate itself opens the pipe of signals: an ear that opened it might come too late, and would wait for ever.
It looks for its pipes until they are there, the one for answers last: before them there is nothing that could be
waited on.
A job that has begun a moment ago may not lead its group yet: then it is signalled itself.
Where the pod's processes see each other (or the node's), a container's are those of its control group. A file
``contained`` says that it has one of its own: elsewhere, in tests say, a group would be everybody's.
OOMS says how many processes of the container the kernel has killed for memory so far.
"""

from __future__ import annotations

from typing import Final

JOBS: Final = "jobs"
SIGNALS: Final = "signals"
ANSWERS: Final = "answers"
PIPES: Final = (JOBS, SIGNALS, ANSWERS)
"""The names of the three, inside a container's folder."""
CONTAINED: Final = "contained"

GATE: Final = r"""
d=$1 b=$2
trap '' INT
until [ -p "$d/answers" ]; do [ -d "${d%/*/*}" ] || exit; "$b" sleep 0.01; done
ear() {
  exec 3<&-
  read -r i o </proc/self/stat
  while read -r n s w <&5; do
    if [ "$own" = -1 ]; then kill -s "$s" -1
    elif [ "$me" ]; then
      [ "$s" = KILL ] && { each STOP; each STOP; each KILL; }
      each "$s"
    elif [ "$w" != 0 ]; then kill -s "$s" "$w" || kill -s "$s" "${w#-}"
    fi 2>/dev/null
    echo "signaled $n" >&4
  done
  if [ "$own" = -1 ]; then kill -s KILL -1; elif [ "$me" ]; then each KILL; fi 2>/dev/null
}
each() {
  for f in /proc/[0-9]*; do
    p=${f#/proc/} c=
    read -r c <"$f/cgroup"
    [ "$c" = "$me" ] && [ "$p" != "$i" ] && [ "$p" != $$ ] && kill -s "$1" "$p"
  done
}
ooms() {
  o=0
  for f in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
    [ -r "$f" ] || continue
    while read -r k v; do [ "$k" = oom_kill ] && o=$v; done <"$f"
    return
  done
}
heed() {
  local k=$h
  h=$((h + 1))
  [ $k = 0 ] || return 0
  while [ $h != 0 ]; do
    k=$h l=
    read -r l <"/proc/$e/stat"
    case "$l" in
    '' | *') Z '* | *') X '*) ear & e=$! ;;
    *) kill -s CONT "$e" ;;
    esac
    h=$((h - k))
  done 2>/dev/null
}
h=0 own= me= session="$b setsid"
exec 3<"$d/jobs" 5<"$d/signals" 4>"$d/answers"
if [ $$ = 1 ]; then own=-1 session=
elif [ -e "$d/contained" ]; then
  read -r me </proc/self/cgroup
  read -r o </proc/1/cgroup
  [ "$me" = "$o" ] && me=
fi
ear & e=$! r=0
echo "hello $$ $PWD" >&4
while [ $r -lt 3 ]; do
  read -r j <&3 || { r=$((r + 1)); continue; }
  r=0
  $session "$b" sh "$j" 3<&- 4>&- 5<&- &
  p=$!
  echo "began $p $j" >&4
  trap heed CHLD
  heed
  while wait $p; c=$?; [ $c = 145 ]; do
    kill -0 $p || { trap - CHLD; wait $p; c=$?; break; }
  done 2>/dev/null
  trap - CHLD
  o=0
  [ $c = 0 ] || ooms
  jobs >/dev/null 2>&1
  heed
  echo "ended $c $o $j" >&4
done
"""
"""Arguments: the container's folder, the path of busybox."""
