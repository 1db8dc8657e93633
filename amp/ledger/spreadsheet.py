"""Reports and lists of jobs as CSV, for a spreadsheet.

Rows, and no total: a spreadsheet makes its own. In a report a row is a group, whatever its currencies: counts
can be added up. Where there are several, each has columns of its own at the end, so that no column that is
added up has two currencies in it. Whoever may meter names types, agents and jobs: text that a spreadsheet
would take for a formula has an apostrophe before it (OWASP, CSV Injection).
"""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from amp.ledger.leaf_wire import JobLine
from amp.ledger.report import Amounts, Row
from amp.ledger.report_wire import Report

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def report(of: Report) -> str:
    """A row a group, or the total of a report that is by nothing."""
    rows = of.rows if of.by else [of.total]
    columns = _COLUMNS | _columns_of(rows)
    head = [*of.by, *columns]
    return _written(head, ([*row.key.values(), *(value(row) for value in columns.values())] for row in rows))


def jobs(lines: Sequence[JobLine]) -> str:
    """A row a job."""
    columns = _OF_JOB | _columns_of(lines)
    return _written(list(columns), ([value(line) for value in columns.values()] for line in lines))


def _written(head: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_plain(value) for value in row] for row in rows)
    return out.getvalue()


_COLUMNS: dict[str, Callable[[Row], Any]] = {
    "jobs": lambda row: row.jobs,
    "pending": lambda row: row.pending,
    "successful": lambda row: row.conversion_funnel.successful_jobs,
    "conversions": lambda row: row.outcome_types["CONVERTED"],
    "deflections": lambda row: row.outcome_types["DEFLECTED"],
    "escalations": lambda row: row.outcome_types["ESCALATED"],
    "currency": lambda row: row.currency,
    "tokenCost": lambda row: row.token_cost,
    "externalToolCost": lambda row: row.external_tool_cost,
    "humanCost": lambda row: row.human_cost,
    "totalCost": lambda row: row.total_cost,
    "totalValue": lambda row: row.total_value,
    "netValue": lambda row: row.net_value,
    "valueRatio": lambda row: row.value_ratio,
    "valueRatioLow": lambda row: row.value_ratio_interval and row.value_ratio_interval.low,
    "valueRatioHigh": lambda row: row.value_ratio_interval and row.value_ratio_interval.high,
    "roiPercent": lambda row: row.roi,
    "costPerConversion": lambda row: row.cost_per_conversion,
    "costPerOutcome": lambda row: row.cost_per_outcome,
    "averageValue": lambda row: row.average_value,
    "deflectionRate": lambda row: row.deflection_rate,
    "totalTokens": lambda row: row.total_tokens,
    "unpricedCompletions": lambda row: row.unpriced_completions,
    "unpricedToolEvents": lambda row: row.unpriced_tool_events,
    "escalatedWithoutHumanCost": lambda row: row.escalated_without_human_cost,
}


_OF_JOB: dict[str, Callable[[JobLine], Any]] = {
    "agenticJobId": lambda line: line.agentic_job_id,
    "name": lambda line: line.name,
    "type": lambda line: line.type,
    "environment": lambda line: line.environment,
    "agent": lambda line: line.agent,
    "squad": lambda line: line.squad,
    "approach": lambda line: line.approach,
    "group": lambda line: line.group,
    "created": lambda line: line.created,
    "executionStatus": lambda line: line.execution_status,
    "outcomeType": lambda line: line.outcome_type,
    "outcomeReason": lambda line: line.outcome_reason,
    "outcomeValue": lambda line: line.outcome_value,
    "outcomeCurrency": lambda line: line.outcome_currency,
    "outcomeUpdateCount": lambda line: line.outcome_update_count,
    "currency": lambda line: line.currency,
    "totalCost": lambda line: line.total_cost,
    "valueRatio": lambda line: line.value_ratio,
    "unpriced": lambda line: line.unpriced,
}
_AMOUNTS: dict[str, Callable[[Amounts], Any]] = {
    "tokenCost": lambda of: of.token_cost,
    "externalToolCost": lambda of: of.external_tool_cost,
    "humanCost": lambda of: of.human_cost,
    "totalCost": lambda of: of.total_cost,
    "totalValue": lambda of: of.total_value,
}


def _columns_of(rows: Sequence[Row] | Sequence[JobLine]) -> dict[str, Callable[[Row | JobLine], Any]]:
    """A column for each amount of each currency, where there are several; empty is none, or not known."""
    amounts = (of for row in rows for of in row.by_currency)
    currencies = sorted({of.currency for of in amounts if any(value(of) for value in _AMOUNTS.values())})
    if len(currencies) < 2:
        return {}
    return {
        f"{name} {currency}": partial(_amount_of, currency, value)
        for currency in currencies
        for name, value in _AMOUNTS.items()
    }


def _amount_of(currency: str, value: Callable[[Amounts], Any], row: Row | JobLine) -> Any:
    return next((value(of) for of in row.by_currency if of.currency == currency), None)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
