"""Results as pictures. What was suppressed is drawn as suppressed, never as zero; Chinese labels get a font that has Chinese glyphs."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from federated.language import said
from governance.errors import Unavailable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CHINESE = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")
FONTS = re.compile(
    "(CJK ?(SC|TC|HK|JP)|Han ?Sans|Han ?Serif|WenQuanYi|wqy|Micro ?Hei|Zen ?Hei|SimHei|SimSun|YaHei|msyh|PingFang|Heiti|Songti|STHeiti|"
    "STSong|FangSong|KaiTi|Hiragino Sans GB|Droid ?Sans ?Fallback|Arial Unicode)",
    re.IGNORECASE,
)
REGULAR = (400, "normal", "regular")
GREY = "0.55"
MOST_UPRIGHT = 8  # labels side by side
FURTHEST = 12.0  # beyond it odds ratios cannot be read; so are coefficients drawn


class Lettering:
    """Labels in the fonts of the picture, and in one with Chinese glyphs where that is needed and installed."""

    def __init__(self) -> None:
        from matplotlib import font_manager, rcParams  # noqa: PLC0415

        self._families = list(rcParams["font.family"])
        files = {name: font_manager.findfont(font_manager.FontProperties(family=[name])) for name in self._families}
        self._chinese = next((name for name, file in files.items() if _is_chinese(file)), None) or _chinese_font()
        self._boxes = False

    def __call__(self, text: str) -> str:
        """*text* as it can be drawn: with a box where no font has the glyph."""
        if self._chinese is not None or not CHINESE.search(text):
            return text
        self._boxes = True
        return CHINESE.sub("□", text)

    def say(self, english: str, chinese: str) -> str:
        """A label of our own: in English where Chinese could not be drawn."""
        return said(english, chinese if self._chinese is not None else english)

    def apply(self, ax: Axes) -> None:
        """Give all texts of *ax* the fonts; say once, not for each glyph, where one is missing."""
        if self._boxes:
            warnings.warn("no font with Chinese glyphs is installed; on Debian: apt install fonts-noto-cjk", stacklevel=1)
        if self._chinese is None:
            return
        families = [*self._families, self._chinese]
        legend = ax.get_legend()
        texts = [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts, *([legend.get_title(), *legend.get_texts()] if legend else [])]
        for text in texts:
            text.set_fontfamily(families)
        ax.tick_params(labelfontfamily=families)


def _chinese_font() -> str | None:
    """Name of an installed font with Chinese glyphs; one that was installed after matplotlib made its list is found too."""
    from matplotlib.font_manager import findSystemFonts, fontManager  # noqa: PLC0415

    if not any(FONTS.search(font.name) for font in fontManager.ttflist):
        for path in filter(FONTS.search, findSystemFonts()):
            with suppress(OSError, RuntimeError):  # a damaged file
                fontManager.addfont(path)
    known = sorted((f for f in fontManager.ttflist if FONTS.search(f.name)), key=lambda f: ("SC" not in f.name, f.name))
    found = next((font for font in known if _is_chinese(font.fname)), None)
    if found is None:
        return None
    if not any(font.name == found.name and font.weight in REGULAR for font in known):
        fontManager.ttflist.append(replace(found, weight=400))  # else matplotlib complains of its weight
    return found.name


def _is_chinese(file: str) -> bool:
    """Whether the font in *file* has Chinese glyphs."""
    from matplotlib.font_manager import get_font  # noqa: PLC0415

    return ord("中") in get_font(file).get_charmap()


def axes() -> Axes:
    """The axes of a new figure."""
    try:
        import matplotlib.pyplot as plt  # noqa: PLC0415
    except ImportError:
        raise Unavailable("plot() needs matplotlib: pip install matplotlib") from None
    return plt.figure(layout="constrained").add_subplot()


def means(ax: Axes, title: str, columns: Sequence[Mapping[str, Any]], *, hidden: str) -> None:
    """Mean and standard deviation, a row for each column; a suppressed column has a row without numbers."""
    write = Lettering()
    ax.set_title(write(title))
    for row, column in enumerate(columns):
        if column["mean"] is None or column["sd"] is None:
            ax.axhspan(row - 0.3, row + 0.3, facecolor="none", edgecolor=GREY, hatch="///", linewidth=0)
            ax.annotate(write.say(f"{hidden} suppressed", f"{hidden} 已抑制"), (0.5, row), xycoords=("axes fraction", "data"), ha="center",
                        va="center", backgroundcolor="white")  # fmt: skip
            continue
        mean, sd = float(column["mean"]), float(column["sd"])
        ax.errorbar([mean], [row], xerr=[sd], fmt="o", capsize=4, color="C0")
        ax.annotate(f"{mean:.4g} ± {sd:.3g}", (mean, row), xytext=(0, 6), textcoords="offset points", ha="center", fontsize="small")
    ax.set_yticks(range(len(columns)), [write(f"{c['column']} (n={hidden if c['n'] is None else c['n']})") for c in columns])
    ax.set_ylim(len(columns) - 0.4, -0.6)
    ax.margins(x=0.12)
    ax.set_xlabel(write.say("mean ± standard deviation, each in its own unit", "均值 ± 标准差，各用其单位"))
    write.apply(ax)


def bars(ax: Axes, title: str, outcome: Mapping[str, Any], *, hidden: str) -> None:
    """Counts as bars with their numbers; a suppressed cell is a hatched stub under a star, and stands for no number."""
    write, across, counts = Lettering(), outcome["across"], outcome["counts"]
    width = 0.8 / len(across)
    stub = max((n for row in counts for n in row if n is not None), default=1) * 0.06
    for i, level in enumerate(across):
        at = [x + (i - (len(across) - 1) / 2) * width for x in range(len(counts))]
        shown = [(x, row[i]) for x, row in zip(at, counts, strict=True) if row[i] is not None]
        drawn = ax.bar([x for x, _ in shown], [n for _, n in shown], width, label=write(level), color=f"C{i % 10}")
        ax.bar_label(drawn, fontsize="small")
        gone = [x for x, row in zip(at, counts, strict=True) if row[i] is None]
        hatched = ax.bar(gone, [stub] * len(gone), width * 0.9, facecolor="none", edgecolor=GREY, hatch="////", linestyle=":")
        ax.bar_label(hatched, [hidden] * len(gone), fontsize="large")
    ax.set_title(write(title))
    ax.set_xticks(range(len(counts)), [write(level) for level in outcome["down"]])
    ax.tick_params(axis="x", labelrotation=90 if len(counts) > MOST_UPRIGHT else 0)
    ax.set_xlabel(write(outcome["index"]))
    ax.set_ylabel(write.say("persons", "人数"))
    ax.margins(y=0.2)
    _bar_legend(ax, write, outcome, hidden if any(n is None for row in counts for n in row) else "")
    write.apply(ax)


def _bar_legend(ax: Axes, write: Lettering, outcome: Mapping[str, Any], hidden: str) -> None:
    from matplotlib.patches import Patch  # noqa: PLC0415

    handles = ax.get_legend_handles_labels()[0] if outcome["columns"] is not None else []
    if hidden:
        label = write.say(f"{hidden} suppressed: not opened, not zero", f"{hidden} 已抑制：未打开，并非零")
        handles = [*handles, Patch(facecolor="none", edgecolor=GREY, hatch="////", linestyle=":", label=label)]
    if handles:
        ax.legend(handles=handles, title=write(outcome["columns"] or ""))


def forest(ax: Axes, title: str, terms: Sequence[Mapping[str, Any]]) -> None:
    """Odds ratios with their intervals on a logarithmic axis (coefficients, where one is too far out to be read as an odds ratio)."""
    write = Lettering()
    rows = [t for t in terms if t["term"] != "Intercept"]
    odds = all(abs(t[end]) < FURTHEST for t in rows for end in ("lower", "upper"))
    scale = math.exp if odds else float
    for row, t in enumerate(rows):
        coef, low, high = (scale(t[name]) for name in ("coef", "lower", "upper"))
        ax.errorbar([coef], [row], xerr=[[coef - low], [high - coef]], fmt="s", capsize=4, color="C0")
        ax.annotate(f"{coef:.3g} ({low:.3g}, {high:.3g})", (1.02, row), xycoords=("axes fraction", "data"), va="center", fontsize="small")
    ax.axvline(scale(0.0), linewidth=0.8, linestyle="--", color="grey")
    if odds:
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(_ticks())
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter("")
    ax.set_yticks(range(len(rows)), [write(t["term"]) for t in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_title(write(title))
    ax.set_xlabel(
        write.say("odds ratio, 95 % interval", "优势比，95 % 区间") if odds else write.say("coefficient, 95 % interval", "系数，95 % 区间")
    )
    write.apply(ax)


def _ticks() -> Any:
    from matplotlib.ticker import LogLocator  # noqa: PLC0415

    return LogLocator(base=10, subs=(1.0, 2.0, 5.0))
