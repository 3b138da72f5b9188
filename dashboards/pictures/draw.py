#!/usr/bin/env python3
"""Draws each dashboard from what a Prometheus answers, for readers of the README who run neither.

It reads the dashboard's JSON, asks each panel's expressions and lays the panels out by their gridPos.
It is no Grafana: what a picture shows is the data, the order and the colours, and its foot says so.

    pip install -r dashboards/pictures/requirements.txt
    dashboards/pictures/draw.py --prometheus http://127.0.0.1:9090 --out dashboards/pictures

Those of the README are of the traffic of a test (tests/e2e/glance.rs), which asks for them:

    JETWAY_PICTURES=dashboards/pictures cargo test --package jetway --test e2e glance
"""

import argparse
import io
import json
import math
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from PIL import Image

FOOT = "drawn by dashboards/pictures/draw.py from query results, not a screenshot of Grafana"
LARGEST = 200_000  # bytes of a picture

# Pixels: Grafana's grid is 24 columns, and its rows are 30 high with 8 between them.
COLUMN, LINE, GAP, MARGIN, HEAD, FEET = 67, 38, 8, 16, 62, 34
WIDTH = 24 * COLUMN + 2 * MARGIN

THEMES = {
    "dark": {"page": "#111217", "panel": "#181b1f", "edge": "#25282d", "grid": "#2a2e35", "text": "#d5d6dd", "dim": "#9a9ca8"},
    "light": {"page": "#f4f5f5", "panel": "#ffffff", "edge": "#dfe0e4", "grid": "#e8e9ec", "text": "#24292e", "dim": "#6a6e76"},
}
HUES = {
    "green": "#73bf69", "yellow": "#f2cc0c", "red": "#f2495c", "blue": "#5794f2", "orange": "#ff9830", "purple": "#b877d9",
}
DARK = {"green": "#37872d", "yellow": "#e0b400", "red": "#c4162a", "blue": "#1f60c4", "orange": "#fa6400", "purple": "#8f3bb8"}
PALETTE = [
    "#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#96d98d", "#ffb357", "#3274d9",
    "#ca95e5", "#37872d", "#e0b400", "#c4162a", "#1f60c4", "#8f3bb8",
]


@dataclass
class Series:
    """What one series of an answer is: its labels, its name in the legend, and its points."""

    labels: dict
    name: str
    times: np.ndarray
    values: np.ndarray
    ref: str = "A"

    def last(self):
        known = self.values[~np.isnan(self.values)]
        return float(known[-1]) if known.size else math.nan


@dataclass
class Asked:
    """The window that is shown, and whom to ask about it."""

    url: str
    start: int
    end: int
    step: int
    scrape: int
    theme: dict = field(default_factory=dict)

    def expression(self, text):
        """With its variables: all of everything, and the intervals that Grafana would take."""
        rate = max(self.step + self.scrape, 4 * self.scrape)
        text = text.replace("$__rate_interval", f"{rate}s").replace("$__range", f"{self.end - self.start}s")
        text = text.replace("$__interval", f"{self.step}s")
        return re.sub(r'"\$\{?\w+\}?"', '".*"', text)

    def every(self, least):
        """The same in longer steps, where a panel wants them; but of a short time in no fewer than two dozen."""
        step = max(self.step, min(least, (self.end - self.start) // 24))
        return replace(self, step=step, start=self.start - self.start % step, end=self.end)

    def ask(self, text, instant):
        words = {"query": self.expression(text)}
        if instant:
            words["time"] = self.end
        else:
            words |= {"start": self.start, "end": self.end, "step": self.step}
        path = "query" if instant else "query_range"
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(words)}") as reply:
                return json.load(reply)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{words['query']}: {error.read().decode()}") from error
        except urllib.error.URLError as error:
            raise SystemExit(f"{self.url}: {error.reason}") from error

    def series(self, target):
        out = []
        for found in self.ask(target["expr"], target["instant"]):
            points = found.get("values") or [found["value"]]
            known = {int(round(at)): float(value) for at, value in points}
            # Where there is no point there is a gap, as in Grafana.
            times = np.array(sorted(known) if target["instant"] else range(self.start, self.end + 1, self.step))
            values = np.array([known.get(int(at), math.nan) for at in times])
            name = re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda label: found["metric"].get(label[1], ""), target["legendFormat"])
            out.append(Series(found["metric"], name, times, values, target["refId"]))
        return out


def colour(name, theme):
    if name in (None, "text"):
        return theme["text"]
    if name == "transparent":
        return "#00000000"
    shade, _, hue = name.rpartition("-")
    if shade == "dark":
        return DARK[hue]
    if shade in ("light", "super-light"):
        own = 0.72 if shade == "light" else 0.5
        return tuple(np.array(to_rgba(HUES[hue])) * own + (1 - own))
    return HUES.get(name, name)


def threshold(steps, value):
    """The name of the colour that a value has."""
    found = steps[0]["color"]
    for step in steps[1:]:
        if not math.isnan(value) and value >= step["value"]:
            found = step["color"]
    return found


def digits(value, decimals):
    if decimals is None:
        decimals = 0 if abs(value) >= 100 or value == round(value) else 1 if abs(value) >= 10 else 2
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text and decimals > 1 else text


def scaled(value, steps, decimals):
    """The largest of the steps that a value is as large as: 1500 → `1.5 K`."""
    for size, suffix in steps:
        if abs(value) >= size:
            return digits(value / size, decimals) + suffix
    return digits(value / steps[-1][0], decimals) + steps[-1][1]


SECONDS = [(86400, " d"), (3600, " h"), (60, " min"), (1, " s"), (1e-3, " ms"), (1e-6, " µs")]
COUNTS = [(1e9, " Bil"), (1e6, " Mil"), (1e3, " K"), (1, "")]
BYTES = [(2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"), (1, " B")]


def worded(value, unit, decimals=None, now=0.0):
    """A value in its unit, as Grafana words it."""
    if value is None or math.isnan(value):
        return ""
    if unit == "percentunit":
        return digits(value * 100, decimals) + "%"
    if unit == "s":
        return "0 s" if value == 0 else scaled(value, SECONDS, decimals)
    if unit == "bytes":
        return scaled(value, BYTES, decimals)
    if unit == "currencyUSD":
        if abs(value) < 1000:
            cents = 2 if decimals is None and 0 < abs(value) < 10 else decimals or 0
            return f"${value:,.{cents}f}"
        return "$" + scaled(value, COUNTS, decimals)
    if unit == "dateTimeFromNow":
        return "in " + scaled(value / 1000 - now, SECONDS[:4], 0)
    suffix = {"reqps": " req/s", "reqpm": " req/m"}.get(unit, unit.removeprefix("suffix:") if unit.startswith("suffix:") else "")
    if abs(value) >= 1000 and not unit.startswith("suffix:"):
        return scaled(value, COUNTS, decimals if decimals else 1 if abs(value) < 100_000 else 0) + suffix
    return digits(value, decimals) + suffix


# What is round in units that do not go by tens.
ROUND = {
    "s": [
        *(first * 10.0**power for power in range(-5, 1) for first in (1, 2, 5)),
        10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 43200, 86400,
        *(days * 86400 for days in (2, 5, 10, 20, 50, 100)),
    ],
    "bytes": [2**power for power in range(10, 40)],
}


class Picture:
    """One dashboard."""

    def __init__(self, dashboard, asked):
        self.dashboard, self.asked, self.theme = dashboard, asked, asked.theme
        lines = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
        self.height = HEAD + lines * LINE + FEET
        self.figure = Figure(figsize=(WIDTH / 100, self.height / 100), dpi=100, facecolor=self.theme["page"])
        self.page = self.axes((0, 0, WIDTH, self.height))
        self.page.set_xlim(0, WIDTH)
        self.page.set_ylim(self.height, 0)
        self.page.axis("off")
        self.marks = self.events()

    def axes(self, box):
        """Axes in a box of pixels, counted from the upper left."""
        x, y, w, h = box
        axes = self.figure.add_axes((x / WIDTH, 1 - (y + h) / self.height, w / WIDTH, h / self.height))
        axes.set_facecolor("none")
        return axes

    def write(self, at, text, size=9, tone="text", **more):
        x, y = at
        shade = self.theme.get(tone, tone) if isinstance(tone, str) else tone
        return self.page.text(x, y, text, fontsize=size * 0.72, color=shade, va=more.pop("va", "center"), **more)

    def width(self, text, size):
        """Of a text, in pixels: near enough, and without asking the renderer a thousand times."""
        return len(text) * size * 0.585

    def fitted(self, text, size, room):
        if self.width(text, size) <= room:
            return text
        return text[: max(1, int(room / (size * 0.585)) - 1)].rstrip() + "…"

    def events(self):
        """Moments to mark, as the dashboard's annotations find them."""
        out = []
        for note in self.dashboard["annotations"]["list"]:
            for found in self.asked.ask(note["expr"], False):
                values = [(float(value) / 1000 if note["useValueForTime"] else float(at)) for at, value in found["values"]]
                first = [at for n, at in enumerate(values) if n == 0 or at - values[n - 1] > 2 * self.asked.step]
                out += [(at, note["iconColor"]) for at in first if self.asked.start + self.asked.step < at <= self.asked.end]
        return sorted(set(out))

    def draw(self):
        self.write((MARGIN, 24), self.dashboard["title"], 21, weight="bold")
        self.write((MARGIN, 47), self.dashboard["description"], 13, "dim")
        moment = lambda at: datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d %H:%M")
        shown = f"{moment(self.asked.start)} to {moment(self.asked.end)} UTC"
        self.write((WIDTH - MARGIN, 24), shown, 12, "dim", ha="right")
        for panel in self.dashboard["panels"]:
            place = panel["gridPos"]
            x, y = MARGIN + place["x"] * COLUMN, HEAD + place["y"] * LINE
            box = (x + GAP / 2, y + GAP / 2, place["w"] * COLUMN - GAP, place["h"] * LINE - GAP)
            if panel["type"] == "row":
                self.write((box[0] + 2, y + LINE / 2 + 1), panel["title"], 14, weight="bold")
            else:
                self.panel(panel, box)
        self.write((WIDTH / 2, self.height - FEET / 2), FOOT, 11, "dim", ha="center", style="italic")

    def panel(self, panel, box):
        x, y, w, h = box
        shape = FancyBboxPatch((x, y), w, h, boxstyle="round,pad=0,rounding_size=4", fc=self.theme["panel"], ec=self.theme["edge"], lw=0.8)
        self.page.add_patch(shape)
        self.write((x + 10, y + 16), self.fitted(panel["title"], 12.5, w - 16), 12.5)
        inner = (x + 10, y + 30, w - 20, h - 38)
        asked = self.asked.every(seconds(panel.get("interval", "0s")))
        series = [one for target in panel["targets"] for one in asked.series(target)]
        known = [one for one in series if not np.isnan(one.values).all()]
        if not known:
            said = panel["fieldConfig"]["defaults"].get("noValue", "No data")
            self.write((x + w / 2, y + h / 2 + 8), said, 13, "dim", ha="center")
            return
        {
            "stat": self.stat, "timeseries": self.lines, "bargauge": self.bars, "table": self.table,
            "heatmap": self.heat, "state-timeline": self.states,
        }[panel["type"]](panel, inner, known)

    def shade(self, panel, value):
        """The colour of a value by the panel's own rule."""
        defaults = panel["fieldConfig"]["defaults"]
        rule = defaults["color"]
        fixed = rule.get("fixedColor") or threshold(defaults["thresholds"]["steps"], value)
        return colour(fixed, self.theme)

    def stat(self, panel, box, series):
        x, y, w, h = box
        defaults = panel["fieldConfig"]["defaults"]
        word = lambda value: worded(value, defaults["unit"], defaults.get("decimals"), self.asked.end)
        if panel["options"]["textMode"] == "value_and_name":
            cell = (w + GAP) / len(series)
            for n, one in enumerate(series):
                left, value = x + n * cell, one.last()
                self.page.add_patch(Rectangle((left, y), cell - GAP, h, fc=self.shade(panel, value), alpha=0.88, lw=0))
                self.write((left + cell / 2 - 4, y + h * 0.4), word(value), 27, "#ffffff", ha="center", weight="bold")
                self.write((left + cell / 2 - 4, y + h * 0.8), one.name, 12, "#ffffff", ha="center")
            return
        value = series[0].last()
        shade = self.shade(panel, value)
        if panel["options"]["graphMode"] == "area":
            axes = self.axes((x - 9, y + h * 0.58, w + 18, h * 0.42 + 7))
            axes.axis("off")
            axes.fill_between(series[0].times, series[0].values, color=shade, alpha=0.18, lw=0)
            axes.plot(series[0].times, series[0].values, color=shade, lw=1.1, alpha=0.9)
            axes.set_xlim(self.asked.start, self.asked.end)
            axes.set_ylim(0, max(np.nanmax(series[0].values) * 1.05, 1e-12))
        self.write((x + w / 2, y + h * 0.34), word(value), 31, shade, ha="center", weight="bold")

    def colours(self, panel, series):
        """One for each: what an override says of its name, or else the next of the palette."""
        fixed = {}
        for over in panel["fieldConfig"]["overrides"]:
            for found in over["properties"]:
                if found["id"] == "color":
                    fixed[over["matcher"]["options"]] = colour(found["value"]["fixedColor"], self.theme)
        return [fixed.get(one.name, PALETTE[n % len(PALETTE)]) for n, one in enumerate(series)]

    def legend(self, box, names, shades):
        """Names under a plot, in two lines at most; says how high they are."""
        x, y, w, h = box
        lines, left = [[]], 0.0
        for name, shade in zip(names, shades):
            name = self.fitted(name, 10.5, w - 24)
            wide = self.width(name, 10.5) + 30
            if left + wide > w and lines[-1]:
                lines.append([])
                left = 0.0
            lines[-1].append((left, name, shade))
            left += wide
        hidden = sum(len(line) for line in lines[2:])
        lines = lines[:2]
        high = 17 * len(lines)
        for n, line in enumerate(lines):
            base = y + h - high + 17 * n + 11
            for at, name, shade in line:
                self.page.add_patch(Rectangle((x + at, base - 1.5), 13, 3.4, fc=shade, lw=0))
                self.write((x + at + 18, base), name, 10.5)
        if hidden:
            self.write((x + w, y + h - 6), f"and {hidden} more", 10, "dim", ha="right")
        return high + 2

    def ticks(self, axes, unit, decimals=None):
        axes.set_xlim(self.asked.start, self.asked.end)
        span = self.asked.end - self.asked.start
        sizes = (60, 300, 600, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800)
        wide = axes.get_position().width * WIDTH
        step = next((size for size in sizes if span / size <= max(3, wide / 95)), sizes[-1])
        at = [when for when in range(self.asked.start - self.asked.start % step, self.asked.end + 1, step) if when > self.asked.start]
        form = "%H:%M" if step < 86400 else "%m-%d"
        axes.set_xticks(at, [datetime.fromtimestamp(when, timezone.utc).strftime(form) for when in at])
        high = axes.get_ylim()[1]
        if unit in ROUND:
            # The largest steps that leave three of them.
            size = max([size for size in ROUND[unit] if high / size >= 3] or [high / 3])
            axes.set_yticks(np.arange(0, high, size))
        else:
            axes.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(4, steps=[1, 2, 5, 10], integer=decimals == 0))
        axes.yaxis.set_major_formatter(lambda value, _: worded(value, unit, None, self.asked.end))
        axes.tick_params(colors=self.theme["dim"], labelsize=7.2, length=0, pad=4)
        axes.grid(True, color=self.theme["grid"], lw=0.6)
        axes.set_axisbelow(True)
        for side in axes.spines.values():
            side.set_visible(False)

    def plot(self, box, foot, words=()):
        """Axes with room for their numbers."""
        x, y, w, h = box
        left = 14 + max([len(word) for word in words] or [6]) * 6.4
        return self.axes((x + left, y + 6, w - left - 4, h - foot - 28))

    def lines(self, panel, box, series):
        defaults = panel["fieldConfig"]["defaults"]
        look, unit = defaults["custom"], defaults["unit"]
        shades = self.colours(panel, series)
        foot = self.legend(box, [one.name for one in series], shades)
        is_stacked, is_bars = look["stacking"]["mode"] == "normal", look["drawStyle"] == "bars"
        top = np.nansum([one.values for one in series], axis=0) if is_stacked else [np.nanmax(one.values) for one in series]
        highest = float(np.nanmax(top))
        limits = [step["value"] for step in defaults["thresholds"]["steps"][1:]] if look["thresholdsStyle"]["mode"] != "off" else []
        # A limit far above what there is would press all of it to the ground.
        near = [limit for limit in limits if limit < highest * 3]
        high = max([highest * 1.08, *(limit * 1.08 for limit in near)]) or 1.0
        high = min(high, defaults["max"] * 1.02) if "max" in defaults else high
        words = [worded(value, unit, None) for value in np.linspace(0, high, 5)]
        axes = self.plot(box, foot, [word.split(".")[0] if len(word) > 9 else word for word in words])
        base = np.zeros(len(series[0].times))
        for n, (one, shade) in enumerate(zip(series, shades)):
            values = np.nan_to_num(one.values) if is_stacked else one.values
            fill = look["fillOpacity"] / 100
            if is_bars:
                axes.bar(one.times, values, (one.times[1] - one.times[0]) * 0.86, base, color=shade, alpha=0.9, lw=0)
            else:
                how = {"drawstyle": "steps-post"} if look["lineInterpolation"] == "stepAfter" else {}
                upper = base + values if is_stacked else values
                # A layer that is nothing would draw its line over that of the one below.
                line = np.where(values > 0, upper, math.nan) if is_stacked else upper
                axes.plot(one.times, line, color=shade, lw=1.25, zorder=3 + n * 0.01, **how)
                axes.fill_between(one.times, base if is_stacked else 0, upper, color=shade, alpha=fill, lw=0, step="post" if how else None)
                alone = ~np.isnan(values) & np.isnan(np.r_[np.nan, values[:-1]]) & np.isnan(np.r_[values[1:], np.nan])
                axes.plot(one.times[alone], upper[alone], ".", color=shade, ms=3)
            if is_stacked:
                base = base + values
        for step in defaults["thresholds"]["steps"][1:] if limits else []:
            if step["value"] <= high:
                axes.axhline(step["value"], color=colour(step["color"], self.theme), lw=1.2, ls=(0, (5, 3)))
        for at, shade in self.marks:
            axes.axvline(at, color=colour(shade, self.theme), lw=0.9, ls=(0, (3, 2)), alpha=0.85)
        axes.set_ylim(0, high)
        self.ticks(axes, unit, defaults.get("decimals"))

    def bars(self, panel, box, series):
        x, y, w, h = box
        defaults = panel["fieldConfig"]["defaults"]
        series = sorted(series, key=lambda one: -one.last()) if len(panel["targets"]) == 1 else series
        line = min(30.0, h / len(series))
        size = min(11.5, line * 0.62)
        word = lambda value: worded(value, defaults["unit"], defaults.get("decimals"), self.asked.end)
        names = min(max(self.width(one.name, size) for one in series) + 10, w * 0.48)
        numbers = max(self.width(word(one.last()), size) for one in series) + 12
        most = defaults.get("max") or max(one.last() for one in series) or 1.0
        for n, one in enumerate(series):
            top, value = y + n * line, one.last()
            room, shade = w - names - numbers, self.shade(panel, value)
            self.write((x + names - 8, top + line / 2), self.fitted(one.name, size, names - 10), size, ha="right")
            self.page.add_patch(Rectangle((x + names, top + 3), room, line - 6, fc=self.theme["grid"], alpha=0.55, lw=0))
            full = room * min(max(value / most, 0), 1)
            self.page.add_patch(Rectangle((x + names, top + 3), full, line - 6, fc=shade, alpha=0.85, lw=0))
            self.write((x + w, top + line / 2), word(value), size, shade, ha="right", weight="bold")

    def table(self, panel, box, series):
        x, y, w, h = box
        how = next(step["options"] for step in panel["transformations"] if step["id"] == "organize")
        single = len(panel["targets"]) == 1
        rows = {}
        for one in series:
            key = tuple(sorted(one.labels.items()))
            row = rows.setdefault(key, dict(one.labels))
            row["Value" if single else f"Value #{one.ref}"] = one.last()
        columns = [name for name in sorted(how["indexByName"], key=how["indexByName"].get) if not how["excludeByName"].get(name)]
        named = {name: how["renameByName"].get(name, name) for name in columns}
        settings = {
            over["matcher"]["options"]: {found["id"]: found["value"] for found in over["properties"]}
            for over in panel["fieldConfig"]["overrides"]
        }
        first = panel["options"].get("sortBy", [{}])[0]
        by = next((name for name in columns if named[name] == first.get("displayName")), columns[-1])
        order = lambda row: (row.get(by) is None, -row[by] if isinstance(row.get(by), float) else 0)
        line, size = 26.0, 11.5
        shown = sorted(rows.values(), key=order)[: int((h - 24) // line)]
        text = lambda name, row: self.cell(row.get(name), settings.get(named[name], {}))
        want = [max([self.width(named[name], size), *(self.width(text(name, row), size) for row in shown)]) + 18 for name in columns]
        gauge = [settings.get(named[name], {}).get("custom.cellOptions", {}).get("type") == "gauge" for name in columns]
        want = [wide + (90 if is_gauge else 0) for wide, is_gauge in zip(want, gauge)]
        wide = [w * part / sum(want) for part in want]
        left = x
        for name, room, is_gauge in zip(columns, wide, gauge):
            own, is_number = settings.get(named[name], {}), name.startswith("Value")
            self.write((left + (room - 10 if is_number else 2), y + 10), named[name], size, "dim", ha="right" if is_number else "left", weight="bold")
            for n, row in enumerate(shown):
                at, value = y + 24 + n * line, row.get(name)
                shade = self.theme["text"]
                if "thresholds" in own and isinstance(value, float):
                    shade = colour(threshold(own["thresholds"]["steps"], value), self.theme)
                said = self.fitted(text(name, row), size, room - 6)
                if is_gauge and isinstance(value, float):
                    track = room - 78
                    self.page.add_patch(Rectangle((left + 6, at + 6), track, line - 12, fc=self.theme["grid"], alpha=0.6, lw=0))
                    self.page.add_patch(Rectangle((left + 6, at + 6), track * min(max(value, 0), 1), line - 12, fc=shade, alpha=0.85, lw=0))
                self.write((left + (room - 10 if is_number else 2), at + line / 2), said, size, shade, ha="right" if is_number else "left")
            left += room
        for n in range(len(shown)):
            self.page.plot([x, x + w], [y + 23 + n * line] * 2, color=self.theme["grid"], lw=0.6)

    def cell(self, value, own):
        if value is None:
            return ""
        if isinstance(value, float):
            return worded(value, own.get("unit", "short"), own.get("decimals"), self.asked.end)
        return value

    def heat(self, panel, box, series):
        bound = lambda one: math.inf if one.labels["le"] == "+Inf" else float(one.labels["le"])
        series = sorted(series, key=bound)
        counts = np.nan_to_num([one.values for one in series])
        counts = np.diff(np.vstack([np.zeros(counts.shape[1]), counts]), axis=0).clip(0)
        used = np.flatnonzero(counts.sum(axis=1) > 0)
        lowest, highest = max(used[0] - 1, 0), min(used[-1] + 1, len(series) - 1)
        counts, bounds = counts[lowest : highest + 1], [bound(one) for one in series[lowest : highest + 1]]
        axes = self.plot(box, 0)
        ramp = LinearSegmentedColormap.from_list("heat", [self.theme["panel"], "#1f4f96", "#5794f2", "#c9dcff"])
        wide = series[0].times[1] - series[0].times[0]
        edges = np.r_[series[0].times, series[0].times[-1] + wide] - wide / 2
        axes.pcolormesh(edges, np.arange(len(bounds) + 1), np.sqrt(counts), cmap=ramp, rasterized=True)
        unit = panel["options"]["yAxis"]["unit"]
        self.ticks(axes, "short")
        axes.grid(False)
        axes.set_yticks(range(1, len(bounds) + 1), ["" if n % 2 else worded(at, unit, None) if at < math.inf else "more" for n, at in enumerate(bounds)])

    def states(self, panel, box, series):
        x, y, w, h = box
        left = max(self.width(one.name, 11) for one in series) + 16
        axes = self.axes((x + left, y + 4, w - left - 4, h - 26))
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        for n, one in enumerate(series):
            wide, values = one.times[1] - one.times[0], one.values
            starts = [at for at in range(len(values)) if at == 0 or values[at] != values[at - 1]]
            for at, ends in zip(starts, [*starts[1:], len(values)]):
                if not math.isnan(values[at]):
                    shade = colour(threshold(steps, values[at]), self.theme)
                    axes.broken_barh([(one.times[at], wide * (ends - at))], (n - 0.38, 0.76), color=shade, alpha=0.8, lw=0)
            self.write((x + left - 8, y + 4 + (h - 26) * (n + 0.5) / len(series)), one.name, 11, ha="right")
        self.ticks(axes, "short")
        axes.set_yticks([])
        axes.set_ylim(len(series) - 0.5, -0.5)

    def save(self, path):
        """As few colours as a chart needs: a quarter of the bytes."""
        raw = io.BytesIO()
        self.figure.savefig(raw, format="png", facecolor=self.theme["page"])
        Image.open(raw).convert("RGB").quantize(192, dither=Image.Dither.NONE).save(path, optimize=True)
        size = path.stat().st_size
        print(f"{path}: {size / 1000:.0f} kB")
        if size > LARGEST:
            raise SystemExit(f"{path} has {size} bytes, more than {LARGEST}")


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)([smhd])", text).groups()
    return int(number) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]


def main():
    ours = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090", metavar="URL")
    parser.add_argument("--out", type=Path, default=ours, metavar="DIR")
    parser.add_argument("--range", metavar="6h", help="what is shown; else what each dashboard opens with")
    parser.add_argument("--end", type=int, default=int(time.time()), metavar="SECONDS", help="its end, since 1970; else now")
    parser.add_argument("--scrape", default="15s", help="how often Prometheus scrapes")
    parser.add_argument("--theme", choices=THEMES, default="dark")
    parser.add_argument("dashboards", nargs="*", type=Path, help="else all")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for path in given.dashboards or sorted(ours.parent.glob("*.json")):
        dashboard = json.loads(path.read_text())
        span = seconds(given.range or dashboard["time"]["from"].removeprefix("now-"))
        # As many points as a panel of half the width has pixels for, and a step that a bar can be seen at.
        step = max(seconds(given.scrape), math.ceil(span / 144 / 5) * 5)
        end = given.end - given.end % step
        picture = Picture(dashboard, Asked(given.prometheus.rstrip("/"), end - span, end, step, seconds(given.scrape), THEMES[given.theme]))
        picture.draw()
        picture.save(given.out / f"{path.stem}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
