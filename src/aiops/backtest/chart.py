"""The pictures of a report, as SVG: they need no library to draw, none to show, and stay sharp at any size.

`timeline` shows when incidents would have been told, per day and one by one, beside those known. `panel` shows one
series: the whole of it and a close-up, each with its value, the expected band, alerts and known incidents.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

import numpy as np

from aiops.backtest.course import Course, Line
from aiops.detection.explain import number, unit

WIDTH = 1080
LEFT, RIGHT = 64, 12
CLOSE_SHARE = 0.34  # of a panel's width
DAY_MS = 86_400_000
GAP_SHARE = 0.03  # a longer pause without any sample is cut out of the timeline
TICK_APART, EDGE = 78, 36  # of x: between labels of time, and from the ends of an axis
PATH_GAP = 4.0  # usual distances between points: a longer gap breaks the line
STYLE = """
.aiops text{font:11px system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;fill:var(--ink,#30363d)}
.aiops .dim{fill:var(--dim,#6e7781)} .aiops .strong{font-weight:600;font-size:12.5px}
.aiops .frame{fill:var(--paper,#fff);stroke:var(--line,#d0d7de)}
.aiops .grid{stroke:var(--line,#d0d7de);stroke-opacity:.55}
.aiops .band{fill:#1f6feb;fill-opacity:.15} .aiops .expected{fill:none;stroke:#1f6feb;stroke-opacity:.75;stroke-width:1}
.aiops .range{fill:var(--value,#24292f);fill-opacity:.45}
.aiops .value{fill:none;stroke:var(--value,#24292f);stroke-width:1.15}
.aiops .known{fill:#d4a72c;fill-opacity:.28} .aiops .known-bar{fill:#d4a72c}
.aiops .incident{fill:#cf222e;fill-opacity:.13} .aiops .told{stroke:#cf222e;stroke-width:1.4}
.aiops .alert{fill:#cf222e} .aiops .held{fill:var(--paper,#fff);stroke:#cf222e;stroke-width:1.2}
.aiops .low{fill:#58a6ff} .aiops .medium{fill:#e3a008} .aiops .high{fill:#e5534b} .aiops .critical{fill:#8b1a2b}
.aiops .missed{fill:none;stroke:#d4a72c;stroke-width:1.6} .aiops .cut{stroke:var(--dim,#6e7781);stroke-dasharray:2 3}
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch or a moment to show: where, what it is, and what to say of it."""

    start_ms: int
    end_ms: int
    kind: str  # a class of STYLE
    title: str


@dataclass(frozen=True, slots=True)
class Axis:
    """Time -> x, with pauses cut out. `stretches`: (start, end) in ms, ascending; `left`, `right`: where they lie."""

    stretches: Sequence[tuple[float, float]]
    left: float
    right: float

    @property
    def _total(self) -> float:
        return sum(end - start for start, end in self.stretches) or 1.0

    def x(self, time_ms: float) -> float:
        """Where a moment lies; one within a pause, or outside, at the nearest end."""
        before = 0.0
        for start, end in self.stretches:
            if time_ms <= end:
                before += max(time_ms - start, 0.0)
                break
            before += end - start
        return self.left + (self.right - self.left) * before / self._total

    def ticks(self, count: int) -> list[tuple[float, str]]:
        """(x, label) of about so many round moments."""
        step_ms, form = _time_step(self._total / max(count, 1))
        found: list[tuple[float, str]] = []
        year = day = 0
        for start, end in self.stretches:
            for at in np.arange(math.ceil(start / step_ms) * step_ms, end + 1, step_ms):
                moment = datetime.fromtimestamp(at / 1000, UTC)
                if found and self.x(at) - found[-1][0] < TICK_APART:
                    continue
                label = f"{moment.day} {moment:%b}" + (f" {moment.year}" if moment.year != year else "")
                if form == "hour":
                    label = f"{moment:%H:%M}" if moment.day == day else f"{moment.day} {moment:%b} {moment:%H:%M}"
                year, day = moment.year, moment.day
                found.append((self.x(at), label))
        return found


def axis_of_days(days: Sequence[int], left: float, right: float) -> Axis:
    """An axis over days since the epoch that have samples; long pauses between them are cut out."""
    stretches: list[tuple[float, float]] = []
    for day in days:
        start = float(day * DAY_MS)
        if stretches and start - stretches[-1][1] <= max(GAP_SHARE * len(days) * DAY_MS, DAY_MS):
            stretches[-1] = (stretches[-1][0], start + DAY_MS)
        else:
            stretches.append((start, start + DAY_MS))
    return Axis(stretches, left, right)


def timeline(
    days: Sequence[int], incidents: Sequence[Mark], known: Sequence[Mark], top: float = 0.0
) -> tuple[str, float]:
    """Incidents per day, each by itself, and those known; the height used."""
    axis = axis_of_days(days, LEFT, WIDTH - RIGHT)
    rows = _rows(incidents, axis)
    bars, lane = 64.0, 9.0
    lanes_top = top + bars + 14
    lanes = max(len(rows), 1) * lane
    known_top = lanes_top + lanes + 8
    height = known_top - top + (18 if known else 0) + 22
    bottom = top + height - 22
    out = [f'<rect class="frame" x="{LEFT}" y="{top:.1f}" width="{WIDTH - LEFT - RIGHT}" height="{height - 22:.1f}"/>']
    out += _time_grid(axis, top, bottom, 12)
    out += _cuts(axis, top, bottom)
    counts: dict[int, dict[str, int]] = {}
    for mark in incidents:
        kinds = counts.setdefault(mark.start_ms // DAY_MS, {})
        kinds[mark.kind] = kinds.get(mark.kind, 0) + 1
    most = max((sum(kinds.values()) for kinds in counts.values()), default=1)
    for day, kinds in counts.items():
        x0, x1 = axis.x(day * DAY_MS), axis.x((day + 1) * DAY_MS)
        base = top + bars
        for kind in ("critical", "high", "medium", "low"):
            if count := kinds.get(kind, 0):
                size = (bars - 10) * count / most
                base -= size
                title = f"{_day(day * DAY_MS)}: {sum(kinds.values())} incidents, {count} {kind}"
                out.append(_rect(kind, x0 + 0.5, base, max(x1 - x0 - 1, 1.2), size, title))
    out.append(_text(LEFT - 6, top + 14, str(most), "dim", "end"))
    out.append(_text(LEFT - 6, top + bars, "a day", "dim", "end"))
    for k, row in enumerate(rows):
        for mark in row:
            x0, x1 = axis.x(mark.start_ms), axis.x(mark.end_ms)
            out.append(_rect(mark.kind, x0, lanes_top + k * lane, max(x1 - x0, 3), lane - 2.5, mark.title))
    out.append(_text(LEFT - 6, lanes_top + 7, "told", "dim", "end"))
    if known:
        for mark in known:
            x0, x1 = axis.x(mark.start_ms), axis.x(mark.end_ms)
            out.append(_rect(mark.kind, x0, known_top, max(x1 - x0, 3), 9, mark.title))
        out.append(_text(LEFT - 6, known_top + 9, "known", "dim", "end"))
    return "".join(out), height


def panel(
    course: Course, marks: Sequence[Mark], alerts: Sequence[Mark], title: str, top: float = 0.0
) -> tuple[str, float]:
    """One series: its whole course left, the close-up right; the height used."""
    middle = LEFT + (WIDTH - LEFT - RIGHT) * (1 - CLOSE_SHARE)
    height, head = 150.0, 20.0
    out = [_text(LEFT, top + 12, title, "strong")]
    measure = unit(course.labels) + ("/s" if course.is_rate else "")
    for line, left, right, ticks in (
        (course.whole, LEFT, middle - 34, 7),
        (course.close, middle + 14, WIDTH - RIGHT, 3),
    ):
        out.append(_plot(line, marks, alerts, left, right, top + head, height, ticks, measure))
    return "".join(out), head + height + 26


def document(parts: Iterable[Callable[[float], tuple[str, float]]]) -> str:
    """One SVG of parts below each other; each is called with its top and answers with its body and height."""
    body, top = [], 8.0
    for part in parts:
        drawn, height = part(top)
        body.append(drawn)
        top += height + 10
    return svg("".join(body), top, is_alone=True)


def svg(body: str, height: float, is_alone: bool = False) -> str:
    """The element; one that stands alone brings its style and its paper."""
    space = ' xmlns="http://www.w3.org/2000/svg"' if is_alone else ""
    inner = f"<style>{STYLE}</style><rect width='100%' height='100%' fill='#fff'/>" if is_alone else ""
    size = f'viewBox="0 0 {WIDTH} {height:.0f}"' + (f' width="{WIDTH}" height="{height:.0f}"' if is_alone else "")
    return f'<svg{space} class="aiops" {size} role="img">{inner}{body}</svg>'


def line_of_text(text: str, kind: str = "") -> Callable[[float], tuple[str, float]]:
    """A part that is one line of text."""
    return lambda top: (_text(LEFT, top + 14, text, kind), 18.0)


def legend(top: float = 0.0) -> tuple[str, float]:
    """What the signs of a panel mean."""
    incident = '<rect class="incident" y="-9" width="16" height="10"/><path class="told" d="M0 -9v10"/>'
    signs = (
        ('<path class="value" d="M0 -4h16"/>', "value"),
        ('<rect class="band" y="-9" width="16" height="10"/><path class="expected" d="M0 -4h16"/>', "expected, band"),
        (incident, "incident, from when it is told"),
        ('<path class="alert" d="M3 -9h10l-5 8z"/>', "alert of an incident"),
        ('<path class="held" d="M3 -9h10l-5 8z"/>', "alert held back: no incident by itself"),
        ('<rect class="known" y="-9" width="16" height="10"/>', "known incident"),
    )  # fmt: skip
    return _signs(signs, top)


def timeline_legend(with_known: bool, top: float = 0.0) -> tuple[str, float]:
    """What the signs of the timeline mean."""
    signs = [(f'<rect class="{k}" y="-8" width="12" height="9"/>', k) for k in ("low", "medium", "high", "critical")]
    if with_known:
        signs.append(('<rect class="known-bar" y="-8" width="12" height="9"/>', "known and told"))
        signs.append(('<rect class="missed" y="-8" width="12" height="9"/>', "known, not told"))
    return _signs(signs, top)


def _signs(signs: Iterable[tuple[str, str]], top: float) -> tuple[str, float]:
    out, x = [], float(LEFT)
    for sign, text in signs:
        out.append(f'<g transform="translate({x:.0f} {top + 13:.0f})">{sign}{_text(21, 0, text)}</g>')
        x += 40 + 6.1 * len(text)
    return "".join(out), 20.0


def _plot(
    line: Line, marks: Sequence[Mark], alerts: Sequence[Mark], left: float, right: float, top: float, height: float,
    ticks: int, measure: str,
) -> str:  # fmt: skip
    bottom = top + height
    out = [f'<rect class="frame" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{height:.1f}"/>']
    if not len(line.time_ms) or not np.isfinite(line.high).any():
        return "".join([*out, _text((left + right) / 2, top + height / 2, "no samples", "dim", "middle")])
    width_ms = float(line.time_ms[-1] - line.time_ms[0]) or 1000.0
    axis = Axis([(float(line.time_ms[0]), float(line.time_ms[0]) + width_ms)], left, right)
    low, high = _limits(line)

    def y(value: np.ndarray) -> np.ndarray:
        return np.clip(bottom - (value - low) / (high - low) * height, top, bottom)

    out += _time_grid(axis, top, bottom, ticks)
    for value in _round_values(low, high, 4):
        at = float(y(np.array(value)))
        out.append(f'<path class="grid" d="M{left:.1f} {at:.1f}H{right:.1f}"/>')
        out.append(_text(left - 5, at + 4, number(value) + measure, "dim", "end"))
    first, last = axis.stretches[0]
    for mark in marks:
        if mark.end_ms >= first and mark.start_ms <= last:
            x0, x1 = axis.x(mark.start_ms), axis.x(mark.end_ms)
            out.append(_rect(mark.kind, x0, top, max(x1 - x0, 1.0), height, mark.title))
            if mark.kind == "incident" and mark.start_ms >= first:
                out.append(f'<path class="told" d="M{x0:.1f} {top:.1f}V{bottom:.1f}"/>')
    x = np.array([axis.x(at) for at in line.time_ms])
    for piece in _pieces(line.time_ms, np.isfinite(line.lower) & np.isfinite(line.upper)):
        out.append(f'<path class="band" d="{_area(x[piece], y(line.upper[piece]), y(line.lower[piece]))}"/>')
        out.append(f'<path class="expected" d="{_path(x[piece], y(line.expected[piece]))}"/>')
    for piece in _pieces(line.time_ms, np.isfinite(line.low)):
        if (line.high[piece] > line.low[piece]).any():
            out.append(
                f'<path class="range" d="{_area(x[piece], y(line.high[piece]) - 0.5, y(line.low[piece]) + 0.5)}"/>'
            )
        else:
            out.append(f'<path class="value" d="{_path(x[piece], y(line.high[piece]))}"/>')
    for mark in alerts:
        if first <= mark.start_ms <= last:
            at = axis.x(mark.start_ms)
            sign = f'<path class="{mark.kind}" d="M{at - 4.5:.1f} {top + 1:.1f}h9l-4.5 8z">'
            out.append(f"{sign}<title>{escape(mark.title)}</title></path>")
    return "".join(out)


def _limits(line: Line) -> tuple[float, float]:
    """What the values span, and the band as far as it does not dwarf them."""
    low, high = float(np.nanmin(line.low)), float(np.nanmax(line.high))
    reach = (high - low) or abs(high) or 1.0
    with np.errstate(invalid="ignore"):
        low = min(low, max(float(np.nanmin([*line.lower, low])), low - 0.4 * reach))
        high = max(high, min(float(np.nanmax([*line.upper, high])), high + 0.4 * reach))
    margin = 0.06 * ((high - low) or abs(high) or 1.0)
    return low - margin, high + margin


def _pieces(time_ms: np.ndarray, known: np.ndarray) -> list[np.ndarray]:
    """Indices of points to connect; a gap breaks the line."""
    k = np.flatnonzero(known)
    if not len(k):
        return []
    steps = np.diff(time_ms[k])
    usual = float(np.median(steps)) if len(steps) else 0.0
    return np.split(k, np.flatnonzero(steps > PATH_GAP * usual) + 1)


def _path(x: np.ndarray, y: np.ndarray) -> str:
    pairs = " ".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
    return f"M{pairs}" if len(x) > 1 else f"M{pairs}h1"


def _area(x: np.ndarray, above: np.ndarray, below: np.ndarray) -> str:
    if len(x) == 1:
        x, above, below = np.array([x[0] - 0.5, x[0] + 0.5]), np.repeat(above, 2), np.repeat(below, 2)
    return _path(np.concatenate([x, x[::-1]]), np.concatenate([above, below[::-1]])) + "Z"


def _rows(marks: Sequence[Mark], axis: Axis, most: int = 8) -> list[list[Mark]]:
    """Marks stacked so that none hides another, as far as there are rows."""
    rows: list[list[Mark]] = []
    ends: list[float] = []
    for mark in sorted(marks, key=lambda one: one.start_ms):
        x0 = axis.x(mark.start_ms)
        k = next((k for k, end in enumerate(ends) if end + 1 <= x0), len(rows))
        if k == len(rows):
            if k == most:
                k = min(range(most), key=ends.__getitem__)
            else:
                rows.append([])
                ends.append(0.0)
        rows[k].append(mark)
        ends[k] = max(axis.x(mark.end_ms), x0 + 3)
    return rows


def _time_grid(axis: Axis, top: float, bottom: float, count: int) -> list[str]:
    out = []
    for x, label in axis.ticks(count):
        out.append(f'<path class="grid" d="M{x:.1f} {top:.1f}V{bottom:.1f}"/>')
        anchor = "start" if x - axis.left < EDGE else "end" if axis.right - x < EDGE else "middle"
        out.append(_text(x, bottom + 14, label, "dim", anchor))
    return out


def _cuts(axis: Axis, top: float, bottom: float) -> list[str]:
    """Where pauses were cut out."""
    places = [axis.x(start) for start, _ in axis.stretches[1:]]
    title = "<title>a pause without samples is cut out</title>"
    return [f'<path class="cut" d="M{x:.1f} {top:.1f}V{bottom:.1f}">{title}</path>' for x in places]


def _time_step(least_ms: float) -> tuple[float, str]:
    minute = 60_000
    for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720):
        if minutes * minute >= least_ms:
            return minutes * minute, "hour"
    days = next((n for n in (1, 2, 3, 7, 14, 28) if n * DAY_MS >= least_ms), 28 * math.ceil(least_ms / DAY_MS / 28))
    return days * DAY_MS, "day"


def _round_values(low: float, high: float, count: int) -> list[float]:
    """About so many round numbers between two."""
    rough = (high - low) / count
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * n for n in (1, 2, 5, 10) if size * n >= rough)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _rect(kind: str, x: float, y: float, width: float, height: float, title: str) -> str:
    shape = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="{kind}" {shape}><title>{escape(title)}</title></rect>'


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def _day(time_ms: float) -> str:
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return f"{moment:%a} {moment.day} {moment:%b %Y}"
