"""`amp population`, drawn: the defaults of everybody, where a context differs, and how the fits did."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from amp.learning.admin_wire import ContextDefaults, DefaultReply, FitReply, PopulationReply
from amp.terminal.posterior import Glyphs, glyphs

_BAR = 14
_FITS_SHOWN = 10


def draw(seen: PopulationReply) -> None:
    """The population for the eyes, 80 columns wide."""
    console = Console(highlight=False)
    drawn = glyphs(console)
    console.print(_facts(seen))
    console.print()
    console.print(_defaults(seen.contexts[0], drawn))
    console.print(Text("weighs: as much as so many outcomes of a user with this option", style="dim"))
    if differing := _differing(seen.contexts):
        console.print(Text("\nWhere the context makes another option the default", style="bold"))
        for line in differing:
            console.print(line, no_wrap=True, crop=False, overflow="ignore")
    if seen.fits:
        console.print()
        console.print(_fits(seen.fits))


def _facts(seen: PopulationReply) -> Text:
    crowd = f"prior {seen.prior_version}" if seen.prior_version else "the shipped prior: nobody taught it yet"
    text = Text.assemble(
        ("What amp believes of everybody", "bold"),
        f"  {crowd}, {seen.outcomes:,} outcomes of {seen.users:,} users",
    )
    if seen.fitted_at:
        text.append(f"\nPublished {_minute(seen.fitted_at)} UTC", style="dim")
    if seen.mode != "learning" or seen.learner != "hierarchical":
        text.append(f"\nMode {seen.mode}, learner {seen.learner}", style="yellow")
    if seen.held_until:
        text.append("\nRolled back: no new fit until you ask for one with amp refit", style="yellow")
    text.append("\nControl users get " + ", ".join(seen.default.values()))
    return text


def _defaults(context: ContextDefaults, drawn: Glyphs) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for heading in ("dimension", "default"):
        table.add_column(heading, no_wrap=True)
    for heading in ("reward", "lead"):
        table.add_column(heading, justify="right")
    table.add_column("best with", justify="right")
    table.add_column("")
    table.add_column("weighs", justify="right")
    for each in context.dimensions:
        bar = Text(drawn.bar * round(_BAR * each.probability_best), style="cyan")
        weight = f"{each.strength:.0f}"
        cells = (each.dimension, each.option, f"{each.expected_reward:.2f}", f"{each.lead:+.3f}")
        table.add_row(*cells, f"{each.probability_best:.0%}", bar, weight)
    return table


def _differing(contexts: list[ContextDefaults]) -> list[Text]:
    """A line for each default of a context that is not the one where nothing is said."""
    usual = {each.dimension: each.option for each in contexts[0].dimensions}
    return [
        _difference(context, each)
        for context in contexts[1:]
        for each in context.dimensions
        if each.option != usual[each.dimension]
    ]


def _difference(context: ContextDefaults, each: DefaultReply) -> Text:
    place = ", ".join((context.task_type or "any task", context.complexity or "any complexity"))
    said = f"{each.dimension} {each.option}"
    return Text(f"  {place:<28.28} {said:<37.37} {each.lead:+.3f}  {each.probability_best:>4.0%}")


def _fits(fits: list[FitReply]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.title, table.title_style, table.title_justify = "The last fits", "bold", "left"
    for heading in ("at (UTC)", "prior"):
        table.add_column(heading, no_wrap=True)
    for heading in ("score", "before", "outcomes"):
        table.add_column(heading, justify="right")
    table.add_column("what came of it")
    for fit in fits[:_FITS_SHOWN]:
        what = fit.reason or "published"
        if within_a_standard_error(fit):
            what += ",\nwithin one standard error"
        scores = ("" if each is None else f"{each:+.3f}" for each in (fit.score, fit.current_score))
        table.add_row(_minute(fit.at), f"{fit.prior_version}", *scores, f"{fit.outcomes:,}", what)
    return table


def within_a_standard_error(fit: FitReply) -> bool:
    """Whether it was published though it scores worse than the one before: the gate allows so much."""
    if fit.score is None or fit.current_score is None:
        return False
    return fit.published and fit.score < fit.current_score


def _minute(iso: str) -> str:
    return iso[:16].replace("T", " ")
