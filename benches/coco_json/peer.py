"""The same work in pycocotools: `COCO(FILE)`. Prints one line of JSON as the bench `coco_json` does.

    python benches/coco_json/peer.py FILE
"""
import contextlib
import io
import json
import resource
import sys
import time

from pycocotools.coco import COCO

start = time.perf_counter()
with contextlib.redirect_stdout(io.StringIO()):
    read = COCO(sys.argv[1])
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(json.dumps({"images": len(read.imgs), "objects": len(read.anns), "seconds": round(seconds, 2), "peak_mib": peak}))
