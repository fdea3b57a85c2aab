"""Why this sample is strange, in one sentence a person on call can read."""

from aiops.detection.scores import Kind
from aiops.metrics.series import Labels

_SUBJECT_LABELS = ("service", "instance", "host", "pod", "node")


DIGITS, DIGITS_MAX = 4, 9


def number(value: float, digits: int = DIGITS) -> str:
    """Four significant digits with a thousands unit: 1234567 -> '1.235M'."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if unit == 'k' else size):.{digits}g}{unit}"
    return f"{value:.{digits}g}"


def _telling_digits(value: float, *others: float) -> int:
    """As few digits as tell the value from the others: 36.24M is no news where 36.24M is expected."""
    return next(
        (n for n in range(DIGITS, DIGITS_MAX) if number(value, n) not in [number(other, n) for other in others]),
        DIGITS_MAX,
    )


def subject(labels: Labels) -> str:
    """`checkout latency_p99`: who and what."""
    mapping = dict(labels)
    who = next((mapping[name] for name in _SUBJECT_LABELS if name in mapping), "")
    return f"{who} {mapping.get('__name__', 'series')}".strip()


def sentence(labels: Labels, kind: Kind, value: float, expected: float, lower: float, upper: float) -> str:
    """One sentence: what is strange, how much, against what is usual at this hour. The band is named only where the
    value lies outside it: within, it is the course that is strange."""
    digits = _telling_digits(value, expected, lower, upper) if expected != value else DIGITS
    name, usual = subject(labels), f"{number(expected, digits)} is usual at this hour"
    is_outside = not lower <= value <= upper
    if kind == Kind.STUCK:
        return f"{name} repeats {number(value)} although it usually changes all the time"
    if kind == Kind.TREND:
        way = "up" if value > expected else "down"
        return f"{name} has crept {way} beyond everything of the days before: {number(value)}"
    if kind == Kind.PATTERN:
        band = f", {number(lower, digits)} to {number(upper, digits)} its range" if is_outside else ""
        return (
            f"{name} takes a course never seen before: {number(value, digits)} after its recent values; {usual}{band}"
        )
    if kind == Kind.LEVEL_SHIFT and not is_outside:
        return f"{name} stays at another level than it used to: {number(value, digits)}; {usual}"
    ratio = value / expected if expected else 0.0
    if ratio >= 1.2:
        size = f"{ratio:.3g}x its usual level"
    elif 0 < ratio <= 0.8:
        size = f"{100 * (1 - ratio):.0f} % below its usual level"
    else:
        size = "above its usual level" if value > expected else "below its usual level"
    band = f" ({number(lower, digits)} to {number(upper, digits)})" if is_outside else ""
    return f"{name} is {size}: {number(value, digits)}, expected {number(expected, digits)}{band} at this hour"


def silence_sentence(labels: Labels, series_count: int, is_entity: bool, silent_s: float) -> str:
    """One sentence for samples that do not come."""
    name = subject(labels) if not is_entity else subject(labels).removesuffix(" series")
    what = f"{series_count} series of {name} stopped reporting" if is_entity else f"{name} stopped reporting"
    return f"{what} {number(silent_s)} s ago"
