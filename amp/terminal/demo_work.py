"""What `amp demo` tells of agents' work: what it was worth, whether it was good enough, what it taught."""

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from amp.demo.business import Business
from amp.demo.graded import Graded
from amp.terminal.ledger_verify import Seen as Verified

_WORDS = {"max_iterations_reached": "not good enough", "interrupted": "stopped by a person"}
_STYLES = {"satisfied": "green", "interrupted": "dim"}


def worked(business: Business) -> Text:
    """The day's jobs, 80 columns wide."""
    total = business.total
    way = "revenium-python-sdk" if business.through_client else "plain HTTP"
    text = Text.assemble(
        ("What was it worth?", "bold"),
        f"  {business.jobs:,} jobs of three agents, {business.records:,} records by {way}\n",
        f"  Value {total['totalValue']:,.2f} USD for {total['totalCost']:,.2f} USD of cost",
    )
    if total["valueRatio"] is not None:
        text.append(f": {total['valueRatio']:,.1f} to 1")
    ends = ", ".join(f"{count} {kind.lower()}" for kind, count in total["outcomeTypes"].items() if count)
    text.append(f"\n  {ends}\n")
    text.append(
        f"  {business.decided} jobs followed a decision; outcomes corrected later: {business.corrected}\n"
    )
    if unpriced := total["unpricedToolEvents"]:
        text.append(f"  Uses of a tool without a price: {unpriced}, so the cost is higher than that\n")
    return text


def graded(sessions: Sequence[Graded]) -> Text:
    """How each task ended."""
    text = Text.assemble(
        ("Was it good enough?", "bold"), f"  {len(sessions)} tasks with a rubric and a grader\n"
    )
    for each in sessions:
        times = "time" if each.iterations == 1 else "times"
        words = _WORDS.get(each.result, each.result)
        text.append(f"  {each.title:<24}")
        text.append(f"{words:<22}", style=_STYLES.get(each.result, "yellow"))
        text.append(f"graded {each.iterations} {times}\n")
    return text


def taught(bridge: dict[str, Any]) -> Text:
    """What jobs and grades said of the decisions that they followed."""
    return Text.assemble(
        ("What did that teach?", "bold"),
        f"  {bridge['taught']} decisions were heard of through jobs and grades alone\n"
        f"  Added to, corrected, said again: {bridge['filled'] + bridge['agreed']}; "
        f"contradicted (kept, not counted): {bridge['contradictions']}\n",
    )


def unaltered(held: Verified) -> Text:
    """Whether the ledger is what was written."""
    text = Text.assemble(("Is it what was written?", "bold"))
    for each in held.walked.values():
        text.append(f"  {each.entries:,} entries of the ledger in {each.chains} chains: ")
    if held.findings:
        return text.append(f"no, {len(held.findings)} differ\n", style="red")
    return text.append("yes\n")
