#!/bin/bash
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR2@300
# Written by `harness submit`. Exit codes: 0 done, 1 failed, 75 out of time, 76 not ready, 130 stopped.
child=
told=
early=
# The processes under one, itself at the end.
family() { local one; for one in $(pgrep -P "$1" 2>/dev/null); do family "$one"; done; echo "$1"; }
lives() { kill -0 "$1" 2>/dev/null && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null; }
# The program among them, or else the wrapper: a wrapper need not hand a signal on, and its helpers may die of one.
tell() {
    local one
    told=
    for one in $(family "$child"); do
        [ "$(cat "/proc/$one/comm" 2>/dev/null)" = harness ] && told="$told $one"
    done
    told=${told:-$child}
    kill -USR2 $told 2>/dev/null
}
# Slurm tells this shell alone that the time is nearly over.
trap 'if [ -n "$child" ]; then tell; else early=yes; fi' USR2
# Slurm sends TERM to every process by itself; the shell waits for the program.
trap : TERM
# The plan is fixed: nothing of the shell that submitted it changes a setting.
for name in "${!HARNESS_@}"; do unset "$name"; done
# Where srun is the wrapper, it does not hear of the cores by itself.
[ -z "$SLURM_CPUS_PER_TASK" ] || export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"
element=$(($1 + SLURM_ARRAY_TASK_ID))
note=/data/r/.store/submissions/ab12/ended/$element.json
began=/data/r/.store/submissions/ab12/ended/$element.began
# Did the job before this one end without a note?
silent=
[ -e "$began" ] && [ ! "$note" -nt "$began" ] && silent=yes
mkdir -p /data/r/.store/submissions/ab12/ended && : > "$began"
module load cuda/12.4
apptainer exec --nv 'my image.sif' /data/r/.store/submissions/ab12/harness work /data/r/.store/submissions/ab12 --element "$element" --device cuda --workers 1 &
child=$!
# The signal came before: the program needs a moment until it listens.
[ -z "$early" ] || { sleep 2; tell; }
# A signal interrupts `wait`. The status of a child that is gone is still known.
while :; do
    wait "$child"
    kill -0 "$child" 2>/dev/null || break
done
wait "$child"
code=$?
# A wrapper that the signal has ended leaves the program at work.
for one in $told; do while lives "$one"; do sleep 1; done; done
if [ "$code" -gt 128 ]; then
    # A signal has ended the wrapper, or the program. If the program has left a note, that one counts.
    if [ "$note" -nt "$began" ]; then
        read -r line < "$note"
        [[ "$line" =~ ^\{\"code\":([0-9]+) ]] && code="${BASH_REMATCH[1]}"
    elif [ "$code" = 140 ] && [ -z "$silent" ]; then
        # The signal came before the program listened to it.
        code=75
    else
        echo "the program was ended by signal $((code - 128)) and left no note" >&2
    fi
fi
if [ "$code" = 75 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 50 ]; then
    # This ends the job at once; until it does, the script waits.
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}" && while :; do sleep 1; done
fi
exit "$code"
