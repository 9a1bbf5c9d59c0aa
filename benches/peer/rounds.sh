#!/usr/bin/env bash
# Runs a bench of ours and its peer in alternating rounds, at 1 and at 2 threads, the peer contiguous and channels-last, and writes their
# lines of JSON: rounds.sh RESULTS OURS PYTHON SCRIPT [arguments of both]. ROUNDS and REPEATS are the measured rounds and the timed runs
# of each.
set -euo pipefail

results=$1 ours=$2 python=$3 script=$4
shift 4
: >"$results"
for round in $(seq "$ROUNDS"); do
    for threads in 1 2; do
        echo "round $round of $ROUNDS, threads $threads" >&2
        same=(--threads "$threads" --repeats "$REPEATS" "$@")
        "$ours" "${same[@]}" >>"$results"
        for layout in "" "--channels-last"; do
            # shellcheck disable=SC2086  # an empty option must vanish
            "$python" "$script" "${same[@]}" $layout >>"$results" 2>target/peer/error.log ||
                { tail -n 3 target/peer/error.log >&2; exit 1; }
        done
    done
done
