"""A night: an hour of everything that goes wrong, on this machine, on real parts; in the end a table.

python -m tests.night [--minutes 60] [--seed 1] [--keep]

Three brokers, a scripted Kinesis, three workers in two pods under a steady load, and Prometheus with our rules, whose spans are
a tenth as long here. Every incident happens once, in an order that the seed picks, and again as long as there is time. What
came out is compared with the naive model at the end. `--keep` writes benchmarks/results/night.json, the table of
docs/reliability.md, and the series on which alerts fired. Exit code 1: something was lost, or did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import shutil
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from benchmarks import report
from benchmarks.options import add_keep
from tests.night.incidents import INCIDENTS
from tests.night.recording import reproduced, written
from tests.night.report import PAGE, Night, Row, summary, table, with_table
from tests.night.stage import NightError, set_up
from tests.support.deploy_files import DEPLOY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.night.incidents import Incident
    from tests.night.stage import Stage

RECORDED: Final = Path(__file__).parents[1] / "deploy" / "recorded.test.yaml"
_QUIET_S: Final = 8.0
"""Between two incidents, so that an alert is known to be of one of them."""
_console: Final = Console()


def main() -> int:
    """Live through it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--minutes", type=float, default=60, help="how long; each incident once at least [60]"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the order, and of all chance [1]")
    parser.add_argument("--only", default="", help="incidents whose text has this")
    add_keep(parser)
    options = parser.parse_args()
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        _console.print("prometheus is not installed: apt-get install prometheus")
        return 1
    # Ended by whatever: what was started ends, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Kafka is away now and then, and the load's own clients say so in thousands of lines.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with TemporaryDirectory(prefix="processor-night-", ignore_cleanup_errors=True) as home:
        try:
            night = asyncio.run(_night(options, prometheus, Path(home)))
        finally:
            _keep_logs(Path(home))
    _told(f"\n{table(night.rows)}\n\n{summary(night)}")
    if options.keep:
        kept = report.write("night", asdict(night))
        PAGE.write_text(
            with_table(PAGE.read_text(encoding="utf-8"), kept.read_text(encoding="utf-8")), encoding="utf-8"
        )
        _told(f"kept in {kept}, {RECORDED} and {PAGE}")
    return 0 if night.is_good else 1


async def _night(options: argparse.Namespace, prometheus: str, home: Path) -> Night:
    loop = asyncio.get_running_loop()
    rows: list[Row] = []
    async with set_up(options.seed, prometheus, home) as stage:
        await stage.until_healthy()
        began_s = loop.time()
        wanted = [incident for incident in INCIDENTS if options.only in incident.what]
        possible = [incident for incident in wanted if incident.needs(stage)]
        for incident in _in_turn(possible, random.Random(options.seed)):
            if loop.time() > began_s + 60 * options.minutes and len(rows) >= len(possible):
                break
            row = await _lived(stage, incident, began_s)
            rows.append(row)
            _told(table([row]).splitlines()[-1])
        minutes = (loop.time() - began_s) / 60
        verdict = await stage.end()
        recorded = await asyncio.to_thread(stage.alerts.recorded)
    if options.keep:
        _keep_series(recorded)
    ledger = stage.ledger
    return Night(
        seed=options.seed,
        minutes=minutes,
        events=ledger.events,
        exports=ledger.exports,
        repeated=len(ledger.repeats),
        verdict=verdict,
        rows=tuple(rows),
        left_out=tuple(incident.what for incident in wanted if incident not in possible),
        troubles=tuple(stage.troubles),
    )


async def _lived(stage: Stage, incident: Incident, night_began_s: float) -> Row:
    loop = asyncio.get_running_loop()
    repeats, fired = len(stage.ledger.repeats), len(stage.alerts.fired)
    began_s = loop.time()
    try:
        await incident.happens(stage)
    except NightError as trouble:
        stage.expect(False, f"{incident.what}: {trouble}")
    mended_s = loop.time()
    try:
        await stage.until_healthy()
    except NightError as trouble:
        stage.expect(False, f"{incident.what}: {trouble}")
    healthy_s = loop.time()
    await asyncio.sleep(_QUIET_S)
    alerts = tuple((name, at_s - began_s) for at_s, name in stage.alerts.fired[fired:])
    if incident.alert is not None:
        stage.expect(
            incident.alert in {name for name, _ in alerts}, f"{incident.what}: {incident.alert} did not fire"
        )
    repeated = len(stage.ledger.repeats) - repeats
    stage.expect(
        not repeated or incident.repeats_for is not None, f"{incident.what}: {repeated} repeats, without need"
    )
    return Row(
        at_s=began_s - night_began_s,
        what=incident.what,
        lasted_s=mended_s - began_s,
        healthy_s=healthy_s - mended_s,
        repeated=repeated,
        repeats_for=incident.repeats_for,
        alerts=alerts,
    )


def _keep_series(recorded: list[dict[str, Any]]) -> None:
    """Write the series that alerts fired on, but for those on which promtool, which comes with Prometheus, finds none."""
    rules = DEPLOY / "prometheus" / "rules.yaml"
    held = reproduced(recorded, rules, str(shutil.which("promtool")))
    RECORDED.write_text(written(held, "../../deploy/prometheus/rules.yaml"), encoding="utf-8")
    for test in recorded:
        if test not in held:
            _told(f"left out: {test['name']}, but not for promtool, at a tenth of the speed")


def _told(text: str) -> None:
    _console.print(text, markup=False, highlight=False, soft_wrap=True)


def _in_turn(incidents: list[Incident], rng: random.Random) -> Iterator[Incident]:
    while incidents:
        yield from rng.sample(incidents, len(incidents))


def _keep_logs(home: Path) -> None:
    """Of a night that went wrong they are needed: the last one's are kept."""
    kept = Path(gettempdir()) / "processor-night-logs"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    for log in home.glob("*/member-*.log"):
        shutil.copy(log, kept / f"{log.parent.name}-{log.name}")


if __name__ == "__main__":
    sys.exit(main())
