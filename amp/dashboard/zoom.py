"""A chart over days to be looked at closely: the script `zoom.js` offers it; without it the SVG stays."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from markupsafe import Markup

from amp.dashboard.drawing import element
from amp.dashboard.lines import Series


def zoomable(drawn: Markup, days: Sequence[str], series: Sequence[Series], *, unit: str = "") -> Markup:
    """The chart with its numbers beside it; `days` are ISO dates in UTC."""
    if len(days) < 2:
        return drawn
    at = [datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() for day in days]
    data = {
        "names": [each.name for each in series],
        "data": [at, *(list(each.values) for each in series)],
        "unit": unit,
    }
    return element("div", drawn, class_="zoomable", data_zoom=msgspec.json.encode(data).decode())
