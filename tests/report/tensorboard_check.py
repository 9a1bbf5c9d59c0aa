"""Reads event files of `harness export tensorboard` with TensorBoard's own code, and prints what it found.

    pip install tensorboard==2.21
    harness export tensorboard results/smoke --out events
    python tests/report/tensorboard_check.py results/smoke events

It fails unless TensorBoard finds every trial of the folder as a run and as a session of the HParams tab, scalars with
rising steps, and the mAP of every record.
"""

import json
import pathlib
import sys

from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups


def main(results, events):
    results, events = pathlib.Path(results), pathlib.Path(events)
    tables = json.loads((results / "tables.json").read_text())["tables"]
    records = {}
    for line in (results / "records.jsonl").read_text().splitlines():
        record = json.loads(line)
        records[record["hash"]] = record
    multiplexer = plugin_event_multiplexer.EventMultiplexer(
        size_guidance={"scalars": 0, "tensors": 0}, tensor_size_guidance={"scalars": 0}
    )
    multiplexer.AddRunsFromDirectory(str(events))
    multiplexer.Reload()
    runs = set(multiplexer.Runs()) - {"."}
    planned = [(hash_, seed) for table in tables for row in table["rows"] for seed, hash_ in zip(table["seeds"], row["trials"])]
    finished = [hash_ for hash_, _ in planned if hash_ in records]
    assert len(runs) >= len(finished), f"{len(runs)} runs of {len(finished)} trials"

    scalars = 0
    finals = []
    for run in sorted(runs):
        tags = [tag for tag in multiplexer.GetAccumulator(run).Tags()["tensors"] if not tag.startswith("_hparams_")]
        for tag in tags:
            points = multiplexer.Tensors(run, tag)
            steps = [point.step for point in points]
            assert steps == sorted(set(steps)), f"{run} {tag}: steps {steps}"
            scalars += len(points)
        if "final/mAP" in tags:
            finals.append(multiplexer.Tensors(run, "final/mAP")[-1].tensor_proto.float_val[0])
    expected = sorted(records[hash_]["metrics"]["mAP"] for hash_ in finished if records[hash_]["status"] == "ok")
    for found, value in zip(sorted(finals), expected, strict=True):
        assert abs(found - value) <= 1e-5 * max(1, abs(value)), f"{found} is not {value}"

    journals = 0
    for run in runs:
        journals += sum(1 for tag in multiplexer.GetAccumulator(run).Tags()["tensors"] if tag.startswith("train/"))

    provider = data_provider.MultiplexerDataProvider(multiplexer, str(events))
    context = backend_context.Context(base_plugin.TBContext(logdir=str(events), data_provider=provider))
    experiment = get_experiment.Handler(RequestContext(), context, "", api_pb2.GetExperimentRequest()).run()
    names = [info.name for info in experiment.hparam_infos]
    metrics = [info.name.tag for info in experiment.metric_infos]
    assert "seed" in names and "final/mAP" in metrics, (names, metrics)
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0,
        slice_size=10_000,
        allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE],
        col_params=[api_pb2.ColParams(metric=info.name) for info in experiment.metric_infos],
    )
    answer = list_session_groups.Handler(RequestContext(), context, "", request).run()
    sessions = [session for group in answer.session_groups for session in group.sessions]
    assert len(sessions) == len(runs), f"{len(sessions)} sessions of {len(runs)} runs"
    with_values = [session for session in sessions if session.metric_values]
    assert len(with_values) == len(finals), f"{len(with_values)} sessions with metrics of {len(finals)}"
    print(
        f"{len(runs)} runs, {scalars} scalars under {journals} tags of journals, {len(answer.session_groups)} groups of "
        f"{len(sessions)} sessions, hyperparameters {', '.join(names)}, metrics {', '.join(metrics)}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
