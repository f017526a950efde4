"""Whether memory stays flat: a worker at full load over millions of events, looked at every second.

python -m benchmarks.endurance [--events 5000000]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict

from benchmarks import report
from benchmarks.end_to_end.contender import Processor
from benchmarks.end_to_end.processes import Cpus
from benchmarks.end_to_end.scene import SHARDS, scene
from benchmarks.end_to_end.throughput import ContenderFailedError, new_task, running_contender, wait_for
from benchmarks.endpoint import running
from benchmarks.options import add_keep, count
from benchmarks.workload import REFERENCE

_LOOK_EVERY_S = 1.0


def main() -> None:
    """Run, and keep what was seen."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=count, default=5_000_000, help="events beside the births [5000000]")
    add_keep(parser)
    options = parser.parse_args()
    samples: list[dict[str, float]] = []
    with scene(Cpus.split()) as stage:
        topic = stage.fill(REFERENCE, options.events)
        share = (topic.changes - topic.births) / topic.events
        with running(shards=SHARDS, cpus=stage.cpus.others) as endpoint:
            task = new_task(stage, topic, REFERENCE, endpoint.url, "endurance")
            with running_contender(Processor(), task, stage) as tree:
                wait_for(lambda: endpoint.figures().records, topic.births, tree)
                records = endpoint.figures().records
                while records < topic.changes:
                    samples.append(
                        {
                            "events": round((records - topic.births) / share),
                            "resident_mib": round(tree.resident_bytes[0] / 2**20, 1),
                            "cpu_s": tree.cpu_s,
                        }
                    )
                    if tree.has_ended:
                        raise ContenderFailedError(tree.log_tail())
                    time.sleep(_LOOK_EVERY_S)
                    records = endpoint.figures().records
    print(f"{samples[0]['resident_mib']} MiB at the first look, {samples[-1]['resident_mib']} at the last")
    figures = {"workload": asdict(REFERENCE), "events": options.events, "samples": samples}
    if options.keep:
        print(f"kept in {report.write('endurance', figures)}")


if __name__ == "__main__":
    main()
