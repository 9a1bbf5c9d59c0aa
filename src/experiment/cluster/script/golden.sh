#!/bin/bash
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR2@300
# Written by `harness submit`. Exit codes: 0 done, 1 failed, 75 out of time, 76 not ready, 130 stopped.
child=
# Slurm tells this shell alone that the time is nearly over.
trap '[ -n "$child" ] && kill -USR2 "$child" 2>/dev/null' USR2
# Slurm sends TERM to every process by itself; the shell waits for the program.
trap : TERM
# The plan is fixed: nothing of the shell that submitted it changes a setting.
for name in "${!HARNESS_@}"; do unset "$name"; done
module load cuda/12.4
apptainer exec --nv 'my image.sif' /data/r/.store/submissions/ab12/harness work /data/r/.store/submissions/ab12 --element "$(($1 + SLURM_ARRAY_TASK_ID))" --device cuda --workers 1 &
child=$!
# A signal interrupts `wait`. The status of a child that is gone is still known.
while :; do
    wait "$child"
    kill -0 "$child" 2>/dev/null || break
done
wait "$child"
code=$?
# The signal came before the program listened to it.
[ "$code" = 140 ] && code=75
if [ "$code" = 75 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 50 ]; then
    # This ends the job at once; until it does, the script waits.
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}" && while :; do sleep 1; done
fi
exit "$code"
