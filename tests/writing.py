"""Writes entries through the store's own functions, without the service."""

from itertools import count

from amp.ledger.entries import Amendment, Before, Completion, Created, Outcome, ToolEvent, pack, packed_id
from amp.ledger.job import added
from amp.ledger.once import remembered
from amp.ledger.store import LIBRARY, LedgerStore, Said, Write
from amp.store.functions import Functions
from amp.store.ledger_keys import bucket_of, job_keys, no_job_keys
from amp.tenancy import tenant

ACME = tenant("acme", "test")
DAY_MS = 86_400_000
NOON = 20_000 * DAY_MS + DAY_MS // 2


class Writing:
    """One tenant's ledger; whatever is not said is nothing."""

    def __init__(self, store, owner=ACME, libraries=()):
        self._store = store
        self.functions = Functions(store, [LIBRARY, *libraries])
        self.ledger = LedgerStore(store, self.functions)
        self.owner = owner
        self._numbers = count()

    async def _write(self, write):
        (written,) = await self.ledger.write([write])
        if isinstance(written, Exception):
            raise written
        return written.verdict

    async def create(self, job, at_ms=NOON, **said):
        told = Said(**said)
        names = {name: value for name, value in said.items() if name != "agent"}
        entry = Created(job, at_ms, "key", **names)
        return await self._write(
            Write("create", bucket_of(job), job_keys(self.owner, job), job, at_ms, pack(entry), told)
        )

    async def completion(
        self, job, cost=None, tokens=(0, 0), *, currency="USD", at_ms=NOON, name=None, **said
    ):
        id_ = name or f"c{next(self._numbers)}"
        entry = Completion(
            job,
            at_ms,
            "key",
            packed_id(id_),
            at_ms,
            5,
            "openai",
            "gpt",
            *tokens,
            sum(tokens),
            cost,
            currency,
            "sent",
            **said,
        )
        return await self._meter(entry, id_, said)

    async def tool(self, job, cost=None, *, human=False, currency="USD", at_ms=NOON, name=None, **said):
        id_ = name or f"t{next(self._numbers)}"
        entry = ToolEvent(
            job, at_ms, "key", packed_id(id_), at_ms, 5, "tool", True, human, cost, currency, "sent", **said
        )
        return await self._meter(entry, id_, said)

    async def _meter(self, entry, id_, said):
        kind = "c" if isinstance(entry, Completion) else "t"
        keys = job_keys(self.owner, entry.job) if entry.job else no_job_keys(self.owner, id_)
        own = (remembered(kind, id_), b"", b"", str(entry.began_ms), *added(entry))
        told, bucket = Said(**said) if entry.job else Said(), bucket_of(entry.job or id_)
        return await self._write(Write("meter", bucket, keys, entry.job, entry.at_ms, pack(entry), told, own))

    async def outcome(
        self, job, status="SUCCESS", outcome=None, value=None, *, currency="USD", at_ms=NOON, **decision
    ):
        code = None if value is None else currency
        entry = Outcome(job, at_ms, "key", status, outcome, value, code, None, None, None, "key", **decision)
        own = (status, outcome or "", "" if value is None else str(value), code or "")
        keys = job_keys(self.owner, job)
        return await self._write(
            Write("outcome", bucket_of(job), keys, job, at_ms, pack(entry), Said(**decision), own)
        )

    async def amend(self, job, status="SUCCESS", outcome=None, value=None, *, currency="USD", at_ms=NOON):
        (fields,) = await self.ledger.jobs(self.owner, [job])
        if "o" not in fields:
            return "nothing"
        code = None if value is None else currency
        before = Before(fields["S"], fields.get("Y"), None, None)
        entry = Amendment(
            job, at_ms, "key", status, outcome, value, code, None, None, None, "key", "wrong", before
        )
        own = (fields["o"], status, outcome or "", "" if value is None else str(value), code or "")
        return await self._write(
            Write("amend", bucket_of(job), job_keys(self.owner, job), job, at_ms, pack(entry), Said(), own)
        )

    async def spoil(self, job):
        """Makes the first entry of the job's bucket one that nobody can read."""
        name = job_keys(self.owner, job).entries
        store = self._store
        (_, (_, entry, _, side, _, link)), *_ = await store.ask("XRANGE", name, "-", "+")
        await store.ask("DEL", name)
        spoiled = entry.replace(job.encode(), b"\xff" + job.encode()[1:])
        await store.ask("XADD", name, "1-0", "e", spoiled, "s", side, "l", link)
