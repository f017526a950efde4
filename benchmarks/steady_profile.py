"""Where the time goes in the steady state: py-spy looks at a worker that is at full load.

python -m benchmarks.steady_profile [--seconds 15] --keep writes profile.svg, a flame graph, and profile.json, the functions
that were on top of the stack most often, to benchmarks/results. py-spy needs the right to look at other processes:
root, or `kernel.yama.ptrace_scope=0`.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import subprocess
from collections import Counter
from pathlib import Path

from benchmarks import report
from benchmarks.end_to_end.contender import Processor
from benchmarks.end_to_end.processes import Cpus
from benchmarks.end_to_end.scene import SHARDS, scene
from benchmarks.end_to_end.throughput import new_task, running_contender, wait_for
from benchmarks.endpoint import running
from benchmarks.options import add_keep, count
from benchmarks.workload import REFERENCE

_TOLD = 30


def main() -> None:
    """Look, and keep what was seen."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=count, default=900_000)
    parser.add_argument("--seconds", type=count, default=15)
    add_keep(parser)
    options = parser.parse_args()
    spy = _py_spy()
    with scene(Cpus.split()) as stage:
        topic = stage.fill(REFERENCE, options.events)
        with running(shards=SHARDS, cpus=stage.cpus.others) as endpoint:
            task = new_task(stage, topic, REFERENCE, endpoint.url, "profile")
            with running_contender(Processor(), task, stage) as tree:
                wait_for(lambda: endpoint.figures().records, topic.births * 1.2, tree)
                raw = stage.home / "profile.raw"
                look = [spy, "record", "--nonblocking", "--rate=200", f"--pid={tree.pids[0]}"]
                looks = {
                    "flamegraph": stage.home / "profile.svg",
                    "raw": raw,
                }
                for form, file in looks.items():
                    seconds = f"--duration={max(1, options.seconds // len(looks))}"
                    subprocess.run(
                        [*look, seconds, f"--format={form}", f"--output={file}"],
                        check=True,
                        stdout=subprocess.DEVNULL,
                    )
                # py-spy writes its own command, paths of this machine and all, into the graph's title.
                graph = looks["flamegraph"].read_text(encoding="utf-8")
                graph = re.sub(r"--output=\S+", "", graph.replace(f"{spy} record", "py-spy record"))
                figures = _on_top(raw.read_text(encoding="utf-8"))
    for name, share in figures.items():
        print(f"{share:6.1%}  {name}")
    if options.keep:
        (report.RESULTS / "profile.svg").write_text(graph, encoding="utf-8")
        print(f"kept in {report.write('profile', {'share of samples, on top of the stack': figures})}")


def _py_spy() -> str:
    """Its program, where its package was installed: on the PATH or not."""
    files = importlib.metadata.files("py-spy") or ()
    return next(str(Path(str(file.locate())).resolve()) for file in files if file.name == "py-spy")


def _on_top(raw: str) -> dict[str, float]:
    tops: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        # A function, whatever its line.
        tops[stack.rpartition(";")[2].rpartition(":")[0] + ")"] += int(count)
    total = tops.total()
    return {name: round(count / total, 4) for name, count in tops.most_common(_TOLD)}


if __name__ == "__main__":
    main()
