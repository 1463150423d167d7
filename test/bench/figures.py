"""What a run measured: ratios of two things that took turns, counts, and the table of both."""
import json
from dataclasses import asdict, dataclass
from statistics import median, stdev
from typing import Optional

CONTROL_WITHIN = 0.05
SURE_WITHIN = 0.02  # the standard error of a control that is surely good or bad


class Invalid(Exception):
    """The run says nothing: the machine was too noisy, or what was measured was not what it should have been."""


@dataclass
class Figure:
    """A row of results.json. A count has no floor and no ratio: `ours` itself is held against the goal."""

    name: str
    ours: float
    floor: Optional[float]
    ratio: Optional[float]
    ratio_min: Optional[float]
    ratio_max: Optional[float]
    goal: Optional[float]
    unit: str

    def missed(self):
        measured = self.ours if self.ratio is None else self.ratio
        return self.goal is not None and measured > self.goal


def count(name, ours, goal, unit):
    return Figure(name, ours, None, None, None, None, goal, unit)


def counts(name, values, goal, unit):
    """The same of several rounds."""
    return Figure(name, median(values), None, None, min(values), max(values), goal, unit)


def compare(name, rounds, controls, goal, unit, control="ours / ours"):
    """rounds: (ours, floor) of each; controls: (one, the other) of the same thing. Two figures: ours against the floor,
    and the control, which tells whether the first one means anything."""

    def figure(name, pairs, goal):
        ratios = [one / other for one, other in pairs]
        return Figure(name, median(one for one, _ in pairs), median(other for _, other in pairs), median(ratios),
                      min(ratios), max(ratios), goal, unit)

    return [figure(name, rounds, goal), figure(f"  control: {control}", controls, None)]


def unsure(controls):
    """Whether more controls are needed to tell. By their spread, not by what they say."""
    ratios = [one / other for one, other in controls]
    return 1.25 * stdev(ratios) / len(ratios) ** 0.5 > SURE_WITHIN


def around(rounds):
    """(rounds, controls) of turns (floor, ours, floor again): the floor counts as the mean of its turns before and after."""
    return [(ours, (first + again) / 2) for first, ours, again in rounds], [(again, first) for first, _, again in rounds]


def is_void(figure):
    return figure.name.startswith("  control") and abs(figure.ratio - 1) > CONTROL_WITHIN


def write(figures, path):
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n", encoding="utf-8")


def number(value):
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"


def verdict(figure):
    if is_void(figure):
        return "void"
    if figure.goal is None:
        return ""
    return "missed" if figure.missed() else "met"


def table(figures):
    head = ["", "ours", "floor", "unit", "ratio", "min", "max", "goal", ""]
    rows = [[one.name, number(one.ours), number(one.floor), one.unit, number(one.ratio), number(one.ratio_min),
             number(one.ratio_max), number(one.goal), verdict(one)] for one in figures]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    words = (0, 3, 8)  # columns that are no numbers
    return "\n".join("  ".join(text.ljust(width) if i in words else text.rjust(width)
                               for i, (text, width) in enumerate(zip(row, widths))).rstrip() for row in [head, *rows])
