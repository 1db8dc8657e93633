"""The verbs of a user's profile: see it, prefer, take it home, forget it."""

import os
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
from msgspec import UnsetType, structs

from amp.clock import iso
from amp.errors import InvalidParameter, InvalidPreference, NotFound
from amp.learning import rows, validation
from amp.learning.approaches import Approaches
from amp.learning.learners import describe, user_weight
from amp.learning.policies import Policies
from amp.learning.priors import Priors
from amp.learning.profile import Summary, summarise
from amp.learning.recent import Recent
from amp.learning.record import Details, Record
from amp.learning.store import LearningStore, Lock
from amp.learning.types import LEVELS, Context, History
from amp.learning.user_store import UserStore
from amp.learning.wire import (
    DimensionReply,
    ExportReply,
    HourPattern,
    InteractionReply,
    OptionReply,
    PosteriorReply,
    ProfileChange,
    ProfileReply,
)
from amp.tenancy import Tenant


class Profiles:
    """What is kept of one user, for the user's eyes and hands."""

    def __init__(
        self,
        store: LearningStore,
        priors: Priors,
        *,
        policies: Policies,
        ids: UserStore | None = None,
        recent: Recent | None = None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._store = store
        self._priors = priors
        self._policies = policies
        self._ids = ids
        self._recent = recent
        self._random = random

    async def show(self, tenant: Tenant, user_id: str) -> ProfileReply:
        """The profile.

        Raises:
            NotFound: nobody has reported or preferred anything for this user.
        """
        user, record, details = await self._load(tenant, user_id)
        return self._profile(tenant, user, record, details)

    def change_type(self, tenant: Tenant) -> type[ProfileChange]:
        """What a change of this tenant's profiles may say."""
        return self._policies.of(tenant).approaches.profile_change

    async def change(self, tenant: Tenant, user_id: str, change: ProfileChange) -> ProfileReply:
        """Sets or clears what is sent and shows the profile, which need not have been there.

        Raises:
            InvalidPreference: not an option of its dimension.
            InvalidParameter: too much metadata.
        """
        user = validation.user_id(user_id)
        approaches = self._policies.of(tenant).approaches
        wanted = _wanted(change, approaches)
        validation.canonical_metadata(change.metadata)
        lock: Lock = "keep" if change.lock is None else "on" if change.lock else "off"
        changed = await self._store.prefer(
            tenant,
            user,
            alias=self._random(8),
            changes={approaches.slot(index): option for index, option in wanted.items()},
            lock=lock,
            metadata={
                key: None if value is None else msgspec.json.encode(value)
                for key, value in (change.metadata or {}).items()
            },
        )
        if changed is None:
            limit = validation.METADATA_BYTES_MAX
            raise InvalidParameter("metadata", f"the profile's metadata would have more than {limit} bytes")
        if self._recent:
            self._recent.heard(tenant, user)
        return self._profile(tenant, user, *changed)

    async def forget(self, tenant: Tenant, user_id: str) -> None:
        """Erases profile and history; what was decided before never counts. Safe to repeat."""
        user, policy = validation.user_id(user_id), self._policies.of(tenant).policy
        await self._store.erase(tenant, user, policy.outcome_window_ms)
        if self._ids:
            await self._ids.forget(tenant, user)

    async def posterior(self, tenant: Tenant, user_id: str) -> PosteriorReply:
        """What is believed of each option for this user.

        Raises:
            NotFound: nobody has reported or preferred anything for this user.
        """
        user, record, _ = await self._load(tenant, user_id)
        ruled = self._policies.of(tenant)
        prior = self._priors.of(tenant, ruled.policy)
        history = rows.deciding(rows.unpack(record.rows), ruled.policy)
        weight = user_weight(history, prior, *ruled)
        stated = ruled.approaches.stated(record.preferences)
        beliefs = describe(history, stated, Context(), prior, *ruled)
        return PosteriorReply(
            user_id=user,
            total_interactions=record.interactions,
            user_weight=weight,
            prior_version=prior.version,
            policy_version=ruled.policy.version,
            dimensions=[
                DimensionReply(
                    belief.dimension,
                    [
                        OptionReply(
                            option.option,
                            option.mean,
                            option.sd,
                            option.best,
                            option.population_mean,
                            option.population_sd,
                        )
                        for option in belief.options
                    ],
                )
                for belief in beliefs
            ],
        )

    async def export(self, tenant: Tenant, user_id: str) -> ExportReply:
        """All that is kept: the profile, the rows, and from the log what is no longer a row.

        Raises:
            NotFound: nobody has reported or preferred anything for this user.
        """
        user, record, details = await self._load(tenant, user_id)
        approaches = self._policies.of(tenant).approaches
        packed = {row.tobytes()[: rows.NONCE_BYTES]: (row, b"") for row in rows.every(record.rows)}
        against: list[InteractionReply] = []
        async for event in self._store.events(tenant, user, record.alias):
            nonce, row = event.row[: rows.NONCE_BYTES], np.frombuffer(event.row, rows.ROW)[0]
            if event.against:
                told = interaction(row, details, b"", approaches)
                against.append(structs.replace(told, said_by=[event.way.name.lower()]))
            else:  # only the agent's own report has metadata
                metadata = packed[nonce][1] if event.way and nonce in packed else event.metadata
                packed[nonce] = row, metadata
        interactions = [interaction(row, details, metadata, approaches) for row, metadata in packed.values()]
        interactions.sort(key=lambda each: each.decided_at)
        return ExportReply(self._profile(tenant, user, record, details), interactions, against)

    async def _load(self, tenant: Tenant, user_id: str) -> tuple[str, Record, Details]:
        user = validation.user_id(user_id)
        record, details = await self._store.profile(tenant, user)
        if not record.created_ms:
            raise NotFound("There is no profile for this user.")
        return user, record, details

    def _profile(self, tenant: Tenant, user: str, record: Record, details: Details) -> ProfileReply:
        history = rows.every(record.rows)
        summary = summarise(history, details.trimmed_sums)
        metadata = {key: msgspec.json.decode(value) for key, value in sorted(details.metadata.items())}
        return msgspec.convert(
            self._approach(tenant, history[-rows.KEPT_ROWS :], record)
            | _told(summary, details.task_names)
            | {
                "userId": user,
                "metadata": metadata,
                "createdAt": iso(record.created_ms),
                "lastUpdated": iso(max(record.created_ms, details.changed_ms, summary.reported_ms)),
                "profileVersion": _version(record, details),
            },
            self._policies.of(tenant).approaches.profile_reply,
        )

    def _approach(self, tenant: Tenant, history: History, record: Record) -> dict[str, Any]:
        """The preferred option of each dimension, stated or else learned, and how sure that is."""
        ruled = self._policies.of(tenant)
        prior = self._priors.of(tenant, ruled.policy)
        preferences = ruled.approaches.stated(record.preferences)
        beliefs = describe(rows.deciding(history, ruled.policy), preferences, Context(), prior, *ruled)
        stated = preferences or (None,) * len(beliefs)
        told: dict[str, Any] = {"locked": []}
        for dimension, belief, preference in zip(ruled.approaches.dimensions, beliefs, stated, strict=True):
            option = max(belief.options, key=lambda each: each.mean)
            if preference is not None:
                option = belief.options[dimension.offered.index(preference.option)]
            told[dimension.preference] = option.option
            told[dimension.confidence] = option.best
            if preference is not None and preference.locked:
                told["locked"].append(dimension.preference)
        return told


def _wanted(change: ProfileChange, approaches: Approaches) -> dict[int, int | None]:
    """Options by dimension; the first fields of a change are the preferences, in the dimensions' order."""
    wanted: dict[int, int | None] = {}
    for index, (dimension, field) in enumerate(
        zip(approaches.dimensions, change.__struct_fields__, strict=False)
    ):
        option: str | UnsetType | None = getattr(change, field)
        if isinstance(option, UnsetType):
            continue
        offered = [dimension.options[number] for number in dimension.offered]
        if option is not None and option not in offered:
            allowed = ", ".join(offered)
            raise InvalidPreference(dimension.preference, f"must be one of {allowed}")
        wanted[index] = None if option is None else dimension.options.index(option)
    return wanted


def interaction(row: np.void, details: Details, metadata: bytes, approaches: Approaches) -> InteractionReply:
    """One row as it is told."""
    signals = rows.signals(row)
    bits = int(row["circumstance"])
    decided_ms = (int(row["decided_high"]) << 32) | int(row["decided_low"])
    start_ms = signals.time_to_start_ms
    return InteractionReply(
        decided_at=iso(decided_ms),
        reported_at=iso(decided_ms + int(row["reported_after_ms"])),
        approach=approaches.told(int(row["policy_version"]), int(row["combination"])),
        task_type=details.task_names.get(int(row["task_hash"])),
        complexity=LEVELS[bits & rows.LEVEL_MASK] or None,
        hour=int(row["hour"]),
        started=signals.started,
        completed=signals.completed,
        time_to_start=None if start_ms is None else start_ms / 1000,
        flow_state=signals.flow_state,
        satisfaction=signals.satisfaction,
        final=bool(row["final"]),
        step=int(row["step"]),
        group="control" if bits & rows.CONTROL else "learned",
        exploration_mode=bool(bits & rows.EXPLORED),
        policy_version=int(row["policy_version"]),
        prior_version=int(row["prior_version"]),
        metadata=msgspec.json.decode(metadata) if metadata else None,
        said_by=rows.said_by(row),
    )


def _told(summary: Summary, names: Mapping[int, str]) -> dict[str, Any]:
    """The numbers of a profile: a share of no interactions is 0, a mean of no times null."""
    n = summary.interactions
    return {
        "totalInteractions": n,
        "completionRate": summary.completed / max(n, 1),
        "averageTimeToStart": summary.start_ms / summary.starts / 1000 if summary.starts else None,
        "flowStateFrequency": summary.flow / max(n, 1),
        "taskTypeAffinities": {
            names[task]: tally.rate for task, tally in summary.by_task.items() if task in names
        },
        "timeOfDayPatterns": [
            HourPattern(hour, tally.interactions, tally.rate) for hour, tally in summary.by_hour.items()
        ],
    }


def _version(record: Record, details: Details) -> str:
    """Changes exactly when the profile does."""
    facts = (record.created_ms, record.preferences, record.rows, details.changed_ms, details.trimmed_sums)
    return blake2b(msgspec.msgpack.encode(facts, order="sorted"), digest_size=8).hexdigest()
