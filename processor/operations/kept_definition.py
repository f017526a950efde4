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
from processor.definition.history import recorded
from processor.definition.record import (
    BY_CHARACTERS_MAX,
    LINEAGE_MAX,
    VALUE_BYTES_MAX,
    Proposal,
    decoded,
    encoded,
)
from processor.errors import (
    DefinitionConflict,
    DefinitionUnavailable,
    KafkaRefused,
    KafkaUnavailable,
    ProcessorError,
)
from processor.kafka.definition_topic import DEFINITION_TOPIC, open_definition_appends
from processor.kafka.followed_topic import follow_topic
from processor.kafka.small_topic import PARTITION, needed_grants
from processor.kafka.topic_trouble import TopicTrouble
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
_APPENDED_S: Final = 20.0
_DECIDED_S: Final = 20.0
"""How long a writer waits for its own proposal to be read back."""
_TRIES: Final = 8
_AGAIN_S: Final = 2.0
_REFUSED_AGAIN_S: Final = 20.0
"""A person grants what is missing; nobody waits for that by the second."""
_ID_BYTES: Final = 8
_PUT_BACK: Final = "a member that followed it: the topic had lost it"


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
        self._trouble = TopicTrouble(log, "the topic of the definition", self._topic, UNFOLLOWED)

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
            former = self.current()
            made = make(former)
            if _is_same(made, former):
                return former
            async with open_definition_appends(self._settings.kafka, self._topic) as topic:
                for _ in range(_TRIES):
                    if former.version == self._in_force.version:
                        kept = await self._accepted(topic, self._proposal(former, made, by))
                        if kept is not None:
                            await self._clear(topic)
                            return kept
                    former = self.current()
                    made = make(former)
                    if _is_same(made, former):
                        return former
        raise DefinitionConflict(
            f"{_TRIES} times somebody else changed the definition first; nothing was changed: try again"
        )

    def _proposal(self, former: Definition, made: Definition, by: str) -> Proposal:
        """What was made of the definition in force, `former`, as a proposal."""
        version, at_ms = former.version, round(time.time() * 1000)
        # What was typed in another encoding than UTF-8 has half characters.
        who = by[:BY_CHARACTERS_MAX].encode(errors="backslashreplace").decode()
        return Proposal(
            secrets.token_hex(_ID_BYTES),
            version,
            version + 1,
            tuple(self._in_force.lineage[:LINEAGE_MAX]),
            recorded(former, made, at_ms, who),
            at_ms,
            who,
        )

    def _value(self, proposal: Proposal) -> bytes:
        value = encoded(proposal)
        if len(value) > VALUE_BYTES_MAX and proposal.definition is not None:
            # What is defined comes first: its history may begin anew.
            value = encoded(replace(proposal, definition=replace(proposal.definition, history=())))
        if len(value) > VALUE_BYTES_MAX:
            raise KafkaRefused(
                f"the definition would be larger than {VALUE_BYTES_MAX:,} bytes, and is not written to topic {self._topic}; nothing "
                "was changed: remove what is not needed"
            )
        return value

    async def _accepted(self, topic: SmallAppends, proposal: Proposal) -> Definition | None:
        """The proposed definition, as all read it; None where the proposal was refused."""
        value = self._value(proposal)
        read_back = decoded(proposal.key, value)
        if read_back is None:
            raise ValueError("a definition that nobody could read is not written")
        await self._append(topic, proposal.key, value)
        return read_back.definition if await self._decided(proposal) else None

    async def _append(self, topic: SmallAppends, key: bytes, value: bytes) -> None:
        try:
            async with asyncio.timeout(_APPENDED_S):
                await topic.append([(key, value)])
        except (KafkaUnavailable, TimeoutError) as error:
            # An idempotent producer of aiokafka's tries for ever.
            why = error if isinstance(error, KafkaUnavailable) else f"topic {self._topic} takes nothing now"
            raise KafkaUnavailable(f"{why}; {_UNKNOWN}") from error

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
            async with asyncio.timeout(_APPENDED_S):
                await topic.append([(key, None) for key in self._superfluous])
        except (ProcessorError, TimeoutError) as error:
            log.info("superseded definitions stay for a while", topic=self._topic, reason=str(error))

    async def _endlessly(self) -> None:
        while True:
            try:
                await self._follow()
            except KafkaRefused as error:
                self._trouble.report(error, remedy=needed_grants(self._topic))
                await asyncio.sleep(_REFUSED_AGAIN_S)
            except ProcessorError as error:
                self._trouble.report(error)
                await asyncio.sleep(_AGAIN_S)
            except Exception:
                # A fault here must not end what is exported by the definition that is known.
                log.exception("the topic of the definition is left for a while; please report it")
                await asyncio.sleep(_REFUSED_AGAIN_S)

    async def _follow(self) -> None:
        kafka = self._settings.kafka
        async with open_topics(kafka) as topics:
            source = await topics.shape(kafka.topic)
            if not await DEFINITION_TOPIC.prepare(topics, self._topic, source):
                warning = await DEFINITION_TOPIC.warning(topics, self._topic)
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
                if is_at_end and not await self._is_put_back(fold):
                    self._publish(fold)

    async def _is_put_back(self, fold: Fold) -> bool:
        """Where the topic has lost what is in force, propose it anew: the next member to start would find nothing, or what was before it.

        It is in force here meanwhile. Other members do the same, and the first of the proposals is accepted.
        """
        known = self._in_force if fold.in_force.version == 0 else fold.in_force
        is_lost = known.version > 0 and (fold.in_force.version == 0 or not fold.is_kept)
        if not is_lost or known.definition is None:
            return False
        self._in_force = known
        log.warning(
            "the topic of the definition has lost what is in force, which is put back",
            topic=self._topic,
            version=known.version,
        )
        proposal = self._proposal(known.definition, known.definition, _PUT_BACK)
        async with open_definition_appends(self._settings.kafka, self._topic) as topic:
            await self._append(topic, proposal.key, self._value(proposal))
        return True

    def _publish(self, fold: Fold) -> None:
        self._heard_s = asyncio.get_running_loop().time()
        self._superfluous = fold.superfluous
        self._trouble.is_over()
        former, self._in_force = self._in_force, fold.in_force
        if former is self._in_force:
            return
        if self._in_force.version < former.version:
            log.warning(
                "the topic of the definition was made anew, and what is in it now is followed",
                topic=self._topic,
                version=self._in_force.version,
                former_version=former.version,
            )
        news, self._news = self._news, asyncio.Event()
        news.set()

    @property
    def _because(self) -> str:
        reason = self._trouble.reason
        return "" if reason is None else f": {reason}"


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
