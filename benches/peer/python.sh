#!/usr/bin/env bash
# Prints a Python interpreter that has torch and the packages given: PEER_PYTHON, or the one of target/peer-venv, which is set up where
# anything is missing. Run from the repository root.
set -euo pipefail

python=${PEER_PYTHON:-target/peer-venv/bin/python}
if ! "$python" -c "import torch$(printf ', %s' "$@")" 2>/dev/null; then
    echo "setting torch $* up in target/peer-venv" >&2
    python3 -m venv target/peer-venv >&2
    python=target/peer-venv/bin/python
    # The CPU-only wheel is ten times smaller; PyPI's own works as well.
    "$python" -m pip install --quiet --timeout 20 --retries 0 torch --index-url https://download.pytorch.org/whl/cpu >&2 ||
        "$python" -m pip install --quiet torch >&2
    "$python" -m pip install --quiet "$@" >&2
fi
echo "$python"
