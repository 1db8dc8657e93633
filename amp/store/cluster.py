"""A Redis or Valkey Cluster: each command to the master that has its slot, one pipeline a node."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, NamedTuple

from redis.exceptions import RedisError

from amp.errors import StoreUnavailable
from amp.parse import cluster
from amp.store.cluster_nodes import Nodes
from amp.store.cluster_slots import Node, Part, Refusal, goes_everywhere, parts, refusal
from amp.store.connection import LineStore, Store, clock_ms
from amp.store.line import Command

PATIENCE_S = 0.5
"""So long a call waits for a slot that moves, or a cluster that is down: others wait for its answers too."""
PATIENCE_TO_READ_S = 0.05
"""The same of a decision, which has an answer without the store."""
PAUSE_S = 0.005
ROUNDS_AT_ONCE = 3
"""Redirections that are followed without a pause: nodes that disagree send a command to and fro."""

_Timed = tuple[int, Any]


class _Waiting(NamedTuple):
    """A part that has no answer yet."""

    part: Part
    ask: Node | None = None
    """Where it is for this once, because its slot moves there."""
    why: Exception | None = None
    """What refused it last."""


class _Sent(NamedTuple):
    """What came of one node's share of a round."""

    node: Node
    waiting: Sequence[_Waiting]
    replies: list[Any] | StoreUnavailable
    now_ms: int
    unsent: bool = False
    """The node was not reached: nothing ran there."""


class ClusterStore(Store):
    """All masters as one store.

    A command that a node refused (MOVED, ASK, TRYAGAIN) did not run and is sent where it belongs; one whose
    reply is lost is told as such, as on one server. Commands of one slot keep their order, unless the slot
    moves to another node in between.
    """

    def __init__(self, url: str, *, ack_replicas: int = 0) -> None:
        self.ack_replicas = ack_replicas
        self._nodes = Nodes(cluster(url), partial(LineStore, ack_replicas=ack_replicas))

    async def ask_each(self, commands: Sequence[Command]) -> list[Any]:
        replies = await self.ask_apart(commands)
        for reply in replies:
            if isinstance(reply, StoreUnavailable):
                raise reply
        return replies

    async def ask_apart(self, commands: Sequence[Command], *, way: int = 0) -> list[Any]:
        del way  # each node has its own
        if any(map(goes_everywhere, commands)):
            return [await self._everywhere(each) for each in commands]
        replies = await _Call(self._nodes, commands, within_s=PATIENCE_S).run()
        return [each if isinstance(each, StoreUnavailable) else each[1] for each in replies]

    async def ask_timed(self, commands: Sequence[Command]) -> list[_Timed | StoreUnavailable]:
        replies = await _Call(self._nodes, commands, within_s=PATIENCE_TO_READ_S, timed=True).run()
        return [_refused(each) for each in replies]

    async def nodes(self) -> Mapping[str, Store]:
        await self._nodes.known()
        await self._nodes.look()
        return {str(node): self._nodes.store(node) for node in self._nodes.slots.masters}

    async def listen(self, channel: bytes) -> AsyncGenerator[bytes | None]:
        await self._nodes.known()
        node = self._nodes.any()
        if node is None:
            raise StoreUnavailable
        try:
            # what is published on any node is heard on all
            async with aclosing(self._nodes.store(node).listen(channel)) as heard:
                async for message in heard:
                    yield message
        except StoreUnavailable:
            self._nodes.lose(node)  # who listens again does so elsewhere
            raise

    async def close(self) -> None:
        await self._nodes.close()

    async def _everywhere(self, command: Command) -> Any:
        """The reply of all masters: what they list and count together, else what the first says."""
        if not goes_everywhere(command):
            return (await self.ask_each([command]))[0]
        stores = (await self.nodes()).values()
        answers = await asyncio.gather(
            *(store.ask_each([command]) for store in stores), return_exceptions=True
        )
        for answer in answers:  # only now: each has been asked
            if isinstance(answer, BaseException):
                raise answer
        replies: list[Any] = [answer[0] for answer in answers if not isinstance(answer, BaseException)]
        refused = next((each for each in replies if isinstance(each, RedisError)), None)
        if refused or str(command[0]).upper() not in {"KEYS", "DBSIZE"}:
            return refused or replies[0]
        return sum(replies[1:], replies[0])


class _Call:
    """Some commands, until each has its answer, or the time is over."""

    def __init__(
        self, nodes: Nodes, commands: Sequence[Command], *, within_s: float, timed: bool = False
    ) -> None:
        self._nodes = nodes
        self._commands = commands
        self._due_s = asyncio.get_running_loop().time() + within_s
        self._timed = timed
        self._answers: list[_Timed | StoreUnavailable] = [StoreUnavailable()] * len(commands)
        self._rounds = 0
        self._pause_s = PAUSE_S

    async def run(self) -> list[_Timed | StoreUnavailable]:
        """Each answer with its node's clock, or that there is none.

        Raises:
            StoreUnavailable: no node answers.
        """
        await self._nodes.known()
        waiting = [_Waiting(part) for part in parts(self._commands)]
        while waiting:
            shares, homeless = self._shares(waiting)
            sent = await asyncio.gather(*(self._send(node, share) for node, share in shares.items()))
            waiting = [*homeless, *(left for each in sent for left in self._take(each))]
            if waiting and not await self._may_go_on(waiting):
                self._give_up(waiting)
                break
        return self._answers

    def _shares(self, waiting: Sequence[_Waiting]) -> tuple[dict[Node, list[_Waiting]], list[_Waiting]]:
        """What goes to which node, and what nobody serves now."""
        shares: dict[Node, list[_Waiting]] = {}
        homeless: list[_Waiting] = []
        for each in waiting:
            slot = each.part.slot
            node = each.ask or (self._nodes.any() if slot is None else self._nodes.slots.owner(slot))
            if node is None:
                homeless.append(each._replace(why=StoreUnavailable("No node serves this slot.")))
            else:
                shares.setdefault(node, []).append(each)
        return shares, homeless

    async def _send(self, node: Node, waiting: Sequence[_Waiting]) -> _Sent:
        if self._nodes.is_lost(node):
            return _Sent(node, waiting, StoreUnavailable(f"{node} does not answer."), 0, unsent=True)
        store = self._nodes.store(node)
        try:
            await store.reach()
        except StoreUnavailable as error:
            self._nodes.lose(node)
            await self._nodes.look()
            return _Sent(node, waiting, error, 0, unsent=True)
        commands: list[Command] = [("TIME",)] if self._timed else []
        for each in waiting:
            own = [self._commands[place] for place in each.part.places]
            # right before the command: it holds for the next one only
            commands += own if each.ask is None else [word for one in own for word in (("ASKING",), one)]
        try:
            replies = await store.ask_each(commands)
        except StoreUnavailable as error:
            self._nodes.lose(node)
            return _Sent(node, waiting, error, 0)
        now_ms = clock_ms(replies.pop(0)) if self._timed else 0
        return _Sent(node, waiting, replies, now_ms)

    def _take(self, sent: _Sent) -> list[_Waiting]:
        """Keeps the answers; what has none and may be sent again."""
        if isinstance(sent.replies, StoreUnavailable):
            return self._lost(sent, sent.replies)
        left: list[_Waiting] = []
        replies = iter(sent.replies)
        for each in sent.waiting:
            own: list[Any] = []
            for _ in each.part.places:
                if each.ask is not None:
                    next(replies)  # ASKING's
                own.append(next(replies))
            said = next(filter(None, (refusal(reply, sent.node) for reply in own)), None)
            if said is None:
                for place, reply in zip(each.part.places, own, strict=True):
                    self._answers[place] = (sent.now_ms, reply)
            else:
                why = next(reply for reply in own if isinstance(reply, RedisError))
                left.append(self._redirected(each, said, why))
        return left

    def _lost(self, sent: _Sent, error: StoreUnavailable) -> list[_Waiting]:
        """Only what was never sent, and is another node's by now, may go on."""
        left: list[_Waiting] = []
        for each in sent.waiting:
            slot = each.part.slot
            node = self._nodes.any() if slot is None else self._nodes.slots.owner(slot)
            if sent.unsent and node is not None and node != sent.node and not self._nodes.is_lost(node):
                left.append(_Waiting(each.part, why=error))
            else:
                self._refuse(each.part, error)
        return left

    def _redirected(self, each: _Waiting, said: Refusal, why: Exception) -> _Waiting:
        if said.kind == "ask":
            return _Waiting(each.part, ask=said.node, why=why)
        if said.kind == "moved" and said.node is not None:
            self._nodes.moved(said.slot, said.node)
            return _Waiting(each.part, why=why)
        return _Waiting(each.part, why=_Again(str(why)))

    async def _may_go_on(self, waiting: Sequence[_Waiting]) -> bool:
        """Whether there is time left; waits first where a node asked for it."""
        self._rounds += 1
        at_once = all(isinstance(each.why, RedisError) for each in waiting)
        if at_once and self._rounds <= ROUNDS_AT_ONCE:
            return True
        if asyncio.get_running_loop().time() + self._pause_s > self._due_s:
            return False
        await asyncio.sleep(self._pause_s)
        self._pause_s *= 2
        await self._nodes.look()
        return True

    def _give_up(self, waiting: Sequence[_Waiting]) -> None:
        for each in waiting:
            self._refuse(each.part, each.why)

    def _refuse(self, part: Part, why: Exception | None) -> None:
        for place in part.places:
            refused = StoreUnavailable()
            refused.__cause__ = why
            self._answers[place] = refused


class _Again(Exception):
    """A node asked to come again: TRYAGAIN, CLUSTERDOWN, LOADING."""


def _refused(answer: _Timed | StoreUnavailable) -> _Timed | StoreUnavailable:
    """An error of the node's is no reply to who needs one."""
    if isinstance(answer, StoreUnavailable) or not isinstance(answer[1], RedisError):
        return answer
    refused = StoreUnavailable()
    refused.__cause__ = answer[1]
    return refused
