"""The definition that is kept in Kafka: followed, and changed by proposals that every reader accepts or refuses alike."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from processor.definition.fold import Fold, InForce
from processor.definition.record import (
    BY_CHARACTERS_MAX,
    LINEAGE_MAX,
    VALUE_BYTES_MAX,
    Proposal,
    encoded,
)
from processor.errors import (
    DefinitionConflict,
    DefinitionUnavailable,
    KafkaRefused,
    KafkaUnavailable,
    ProcessorError,
)
from processor.kafka.definition_topic import (
    PARTITION,
    definition_topic_warning,
    needed_grants,
    open_definition_appends,
    prepare_definition_topic,
)
from processor.kafka.followed_topic import follow_topic
from processor.kafka.topics import open_topics

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.definition.model import Definition
    from processor.kafka.small_appends import SmallAppends
    from processor.settings import Settings

log = structlog.get_logger(__name__)

UNFOLLOWED: Final = "changes of the definition do not reach this member"

_AWAY_S: Final = 20.0
"""After so long without a word of Kafka's it is not known any more what is in force: twice what an idle reader waits for one, and more."""
_DECIDED_S: Final = 20.0
"""How long a writer waits for its own proposal to be read back."""
_TRIES: Final = 8
_AGAIN_S: Final = 2.0
_REFUSED_AGAIN_S: Final = 20.0
"""A person grants what is missing; nobody waits for that by the second."""
_ID_BYTES: Final = 8


class KeptDefinition:
    """Follows the topic of a deployment's definition while `run` runs, and proposes changes of it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.configuration_topic
        self._in_force = InForce()
        """As of the last time that all had come that the topic had."""
        self._superfluous: list[bytes] = []
        self._heard_s: float | None = None
        """When that was, by the loop's clock; None where it never was."""
        self._news = asyncio.Event()
        self._proposing = asyncio.Lock()
        self._trouble: str | None = None
        self._is_warned = False

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the topic, which is created where it is absent, until `stop` is set; whatever fails is told, and tried again."""
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(self._endlessly(), name="definition")
            await stop.wait()
            following.cancel()

    def current(self) -> Definition:
        """Return the definition in force.

        Raises:
            DefinitionUnavailable: it was not read yet, Kafka has been away for longer than some seconds, or a later
                release wrote it.

        """
        now_s = asyncio.get_running_loop().time()
        if self._heard_s is None:
            raise DefinitionUnavailable(
                f"the definition was not read yet from topic {self._topic}{self._because}"
            )
        if now_s - self._heard_s > _AWAY_S:
            raise DefinitionUnavailable(
                f"Kafka has not answered for {now_s - self._heard_s:.0f} s, and the definition in topic {self._topic} may "
                f"have changed since{self._because}"
            )
        return _readable(self._in_force, self._topic)

    async def next(self, after_version: int) -> Definition:
        """Wait until another version than `after_version` is in force, and return that definition.

        What is known is returned also while Kafka is away. A topic that was made anew may have a lower version.
        """
        while (
            self._heard_s is None
            or self._in_force.version == after_version
            or self._in_force.definition is None
        ):
            await self._news.wait()
        return self._in_force.definition

    async def change(self, make: Callable[[Definition], Definition], by: str) -> Definition:
        """Put in force what `make` makes of the definition in force, and return it with its version; `by` says whose change it is.

        Where somebody else's change comes first, `make` is called again, with the new one. What it raises goes up, and nothing is
        changed then; where it changes nothing, nothing is written.

        Raises:
            DefinitionUnavailable: it is not known what is in force, so nothing was changed.
            DefinitionConflict: others came first again and again; nothing was changed.
            KafkaRefused: the topic may not be written, or takes no definition of this size; nothing was changed.
            KafkaUnavailable: Kafka does not answer; the message says so where it is not known whether the change was kept.

        """
        async with self._proposing:
            for _ in range(_TRIES):
                former = self.current()
                made = make(former)
                if _is_same(made, former):
                    return former
                made = replace(made, version=former.version + 1)
                if await self._is_accepted(self._proposal(made, by)):
                    return made
        raise DefinitionConflict(
            f"{_TRIES} times somebody else changed the definition first; nothing was changed: try again"
        )

    def _proposal(self, made: Definition, by: str) -> Proposal:
        return Proposal(
            secrets.token_hex(_ID_BYTES),
            made.version - 1,
            made.version,
            tuple(self._in_force.lineage[:LINEAGE_MAX]),
            made,
            round(time.time() * 1000),
            # What was typed in another encoding than UTF-8 has half characters.
            by[:BY_CHARACTERS_MAX].encode(errors="backslashreplace").decode(),
        )

    async def _is_accepted(self, proposal: Proposal) -> bool:
        value = encoded(proposal)
        if len(value) > VALUE_BYTES_MAX:
            raise KafkaRefused(
                f"the definition would be larger than {VALUE_BYTES_MAX >> 20} MiB, which topic {self._topic} does not take; nothing "
                "was changed: remove what is not needed"
            )
        async with open_definition_appends(self._settings.kafka, self._topic) as topic:
            try:
                await topic.append([(proposal.key, value)])
            except KafkaUnavailable as error:
                raise KafkaUnavailable(f"{error}; {_UNKNOWN}") from error
            is_accepted = await self._decided(proposal)
            await self._clear(topic)
        return is_accepted

    async def _decided(self, proposal: Proposal) -> bool:
        try:
            async with asyncio.timeout(_DECIDED_S):
                while (became := self._in_force.became_of(proposal.id, proposal.version)) is None:
                    await self._news.wait()
                return became
        except TimeoutError as error:
            raise KafkaUnavailable(
                f"topic {self._topic} took the change, and it could not be read back in {_DECIDED_S:.0f} s; {_UNKNOWN}"
            ) from error
        except LookupError as error:
            raise KafkaUnavailable(
                f"more than {LINEAGE_MAX} changes of the definition came before this one was read back; {_UNKNOWN}"
            ) from error

    async def _clear(self, topic: SmallAppends) -> None:
        """Have compaction take what was superseded or refused; what is left now the next change's writer clears."""
        try:
            await topic.append([(key, None) for key in self._superfluous])
        except ProcessorError as error:
            log.info("superseded definitions stay for a while", topic=self._topic, reason=str(error))

    async def _endlessly(self) -> None:
        while True:
            try:
                await self._follow()
            except KafkaRefused as error:
                self._report(error, remedy=needed_grants(self._topic))
                await asyncio.sleep(_REFUSED_AGAIN_S)
            except ProcessorError as error:
                self._report(error)
                await asyncio.sleep(_AGAIN_S)
            except Exception:
                # A fault here must not end what is exported by the definition that is known.
                log.exception("the topic of the definition is left for a while; please report it")
                await asyncio.sleep(_REFUSED_AGAIN_S)

    async def _follow(self) -> None:
        kafka = self._settings.kafka
        async with open_topics(kafka) as topics:
            source = await topics.shape(kafka.topic)
            if not await prepare_definition_topic(topics, self._topic, source):
                warning = await definition_topic_warning(topics, self._topic)
                if warning is not None:
                    log.warning("the topic of the definition forgets", topic=self._topic, reason=warning)
        fold = Fold()
        async with aclosing(follow_topic(kafka, self._topic, PARTITION)) as batches:
            async for records, _, is_at_end in batches:
                passed_over = fold.passed_over
                fold.take(records)
                if fold.passed_over > passed_over:
                    log.warning(
                        "records of the topic of the definition are passed over: they are none of this service's",
                        topic=self._topic,
                        records=fold.passed_over - passed_over,
                    )
                if is_at_end:
                    self._publish(fold)

    def _publish(self, fold: Fold) -> None:
        self._heard_s = asyncio.get_running_loop().time()
        self._superfluous = fold.superfluous
        self._is_over()
        if fold.in_force is self._in_force:
            return
        self._in_force = fold.in_force
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _report(self, error: ProcessorError, **remedy: str) -> None:
        """Log a trouble, once as long as its reason stays the same; as a warning, unless the next try may well cure it."""
        former, self._trouble = self._trouble, str(error)
        if isinstance(error, KafkaUnavailable) and former is None:
            log.info("the topic of the definition is tried again", topic=self._topic, reason=self._trouble)
        elif not self._is_warned or self._trouble != former:
            self._is_warned = True
            log.warning(UNFOLLOWED, topic=self._topic, reason=self._trouble, **remedy)

    def _is_over(self) -> None:
        self._trouble = None
        if self._is_warned:
            self._is_warned = False
            log.info("the topic of the definition is followed again", topic=self._topic)

    @property
    def _because(self) -> str:
        return "" if self._trouble is None else f": {self._trouble}"


_UNKNOWN: Final = "it is not known whether the change was kept: read the definition before you make it again"


def _readable(in_force: InForce, topic: str) -> Definition:
    if in_force.definition is None:
        raise DefinitionUnavailable(
            f"a later release wrote version {in_force.version} of the definition in topic {topic}, which this one cannot read: "
            "run that release here, too"
        )
    return in_force.definition


def _is_same(made: Definition, former: Definition) -> bool:
    return made.bound_to == former.bound_to and list(made.resources.items()) == list(former.resources.items())
