"""The process of `processor run` where the definition is kept in Kafka: the parent of its workers, with the API beside them."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Final

import structlog

from processor import __version__
from processor.api.calls import calls
from processor.api.http import PREFIX, application
from processor.api.own.looked_at import LookedAt
from processor.api.tokens import Tokens
from processor.cli.failures import report_failures, report_refused
from processor.cli.worker_processes import workers_of
from processor.definition.files import files_of
from processor.errors import ConfigurationError
from processor.kafka.client import client_options
from processor.native import CORE, PROBLEMS
from processor.operations.kept_definition import KeptDefinition
from processor.operations.kept_sample import KeptSample
from processor.operations.sealing_key_file import SealingKeyFile
from processor.operations.streams_seen import see_streams
from processor.operations.topic_sample import SampleBounds, read_sample
from processor.service.signals import stop_on_signals
from processor.settings import load_settings
from processor.supervisor.allowed_cpus import allowed_cpus
from processor.supervisor.defined_workers import DefinedWorkers
from processor.supervisor.member_name import take_name
from processor.telemetry.logs import configure_logs
from processor.telemetry.target_labels import target_labels
from processor.web.server import serve
from processor.web.tls import certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp import web

    from processor.configuration import Files
    from processor.definition.model import Definition
    from processor.governance.destination import Connection
    from processor.operations.streams_seen import StreamsSeen
    from processor.settings import Settings
    from processor.supervisor.workers import Begin

log = structlog.get_logger(__name__)

_SAMPLE: Final = SampleBounds(events=1_000, bytes=16 * 1024 * 1024, seconds=15.0)
"""What is kept in memory for a minute after each look, and what somebody waits for before a page."""


def run_defined(workers: int | None) -> int:
    """Run `workers` workers, by default as many as the settings say, while there is a dataflow; return the exit code."""
    if PROBLEMS:
        return report_refused(PROBLEMS)
    try:
        settings = load_settings()
        # Files of certificates, keys and tokens are read before anything is connected.
        client_options(settings.kafka)
        certificate(settings.service)
        tokens = Tokens(settings.api) if settings.api.has_api else None
        sealing = SealingKeyFile(settings.api.api_secret_key_file)
        sealing.sealing()
    except ConfigurationError as error:
        return report_refused(error.problems)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    configure_logs(settings.service)
    log.info("starting", version=__version__, core=CORE)
    name = take_name(settings)
    settings = settings.named(None if name is None else name.name)
    # A worker waits for what refuses it, and tells: by the API it is mended while it waits.
    begin = workers_of(workers or settings.service.workers or allowed_cpus(), settings, name, "--restarted")
    kept = KeptDefinition(settings)
    mounted = {} if tokens is None else {PREFIX: _api(settings, kept, tokens, sealing)}
    try:
        return asyncio.run(_supervise(settings, begin, kept, sealing, mounted))
    except ConfigurationError as error:
        return report_failures([error])


async def _supervise(
    settings: Settings,
    begin: Begin,
    kept: KeptDefinition,
    sealing: SealingKeyFile,
    mounted: Mapping[str, web.Application],
) -> int:
    stop, following_ends = asyncio.Event(), asyncio.Event()
    workers = DefinedWorkers(begin, kept.current, kept.next, _derive(sealing))
    stop_on_signals(stop, workers.kill)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, workers.look_again)

    def labels() -> dict[str, str]:
        return target_labels(settings, workers.stream)

    async with serve(settings.service, workers.ask, labels, mounted=mounted), asyncio.TaskGroup() as tasks:
        tasks.create_task(kept.run(following_ends), name="definition")
        code = await workers.run(stop)
        following_ends.set()
    return code


def _derive(sealing: SealingKeyFile) -> Callable[[Definition], Files]:
    def derive(definition: Definition) -> Files:
        return files_of(definition, sealing.sealing().unseal)

    return derive


def _api(
    settings: Settings, kept: KeptDefinition, tokens: Tokens, sealing: SealingKeyFile
) -> web.Application:
    async def see(connection: Connection, stream: str | None) -> StreamsSeen:
        return await see_streams(connection, stream, settings.kinesis)

    looked_at = LookedAt(
        topic=settings.kafka.topic,
        definition=kept.current,
        sample=KeptSample(lambda: read_sample(settings.kafka, _SAMPLE)),
        see_streams=see,
        sealing=sealing.sealing,
        environ=os.environ,
        backfills=settings.backfills.backfill,
    )
    return application(calls(sealing.sealing, looked_at), kept.current, kept.change, tokens)
