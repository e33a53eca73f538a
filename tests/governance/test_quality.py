"""Quality reports: six dimensions, bands alone, a share of too few is not told, and nothing of a value or count can be written."""

from __future__ import annotations

from dataclasses import replace

import pytest
from registered import BUYER, HOLDER, NOW, SCHEMA

from governance import notes, quality
from governance.errors import DecodeError, IntegrityError, UsageError
from governance.quality import DIMENSIONS, Indicator, Part, Report, indicator
from governance.registration import digest

PARTS = tuple(
    Part(name, (indicator("age is in its bounds", passed=960, checked=1000),) if name == "accuracy" else ()) for name, _ in DIMENSIONS
)
REPORT = Report("heart", digest(SCHEMA), "ab" * 32, "", NOW, PARTS)


@pytest.mark.parametrize("passed, checked, size, share", [
    (0, 0, "under-100", "too-few"), (99, 99, "under-100", "too-few"), (100, 100, "100-to-999", "99-or-more"), (98, 100, "100-to-999", "95-to-98"),
    (949, 1000, "1000-to-9999", "90-to-94"), (8999, 10**4, "10000-to-99999", "80-to-89"), (79, 10**2, "100-to-999", "50-to-79"),
    (0, 10**5, "100000-to-999999", "under-50"), (10**6, 10**6, "million-or-more", "99-or-more"),
])  # fmt: skip
def test_counts_become_bands(passed, checked, size, share):
    assert indicator("x", passed=passed, checked=checked) == Indicator("x", size, share)


@pytest.mark.parametrize("passed, checked", [(-1, 5), (6, 5)])
def test_counts_that_are_none(passed, checked):
    with pytest.raises(UsageError):
        indicator("x", passed=passed, checked=checked)


def test_one_more_or_less_in_a_band_shows_nothing():
    """Canary: reports on tables that differ by one value within the bands are the same bytes."""
    one, other = (indicator("x", passed=p, checked=c) for p, c in ((960, 1000), (961, 1001)))
    assert one == other and "960" not in str(notes.write(REPORT)) and "1000-to-9999" in str(notes.write(REPORT))


def test_a_report_is_its_holders_and_on_these_columns():
    raw = str(notes.write(REPORT).signed_by(HOLDER))
    assert quality.opened(raw, HOLDER.public, schema=digest(SCHEMA)) == REPORT
    with pytest.raises(IntegrityError, match="not signed"):
        quality.opened(raw, BUYER.public, schema=digest(SCHEMA))
    with pytest.raises(IntegrityError, match="other columns"):
        quality.opened(raw, HOLDER.public, schema="cd" * 32)


def test_reports_that_are_none():
    for parts in ((), PARTS[:5], PARTS[::-1], (*PARTS, PARTS[0])):
        with pytest.raises(DecodeError, match="six dimensions"):
            replace(REPORT, parts=parts)
    for size, share in (("under-100", "under-50"), ("100-to-999", "too-few")):
        with pytest.raises(DecodeError, match="fewer than 100"):
            Indicator("x", size, share)
    with pytest.raises(DecodeError):
        notes.Note(str(notes.write(REPORT).text).replace('"95-to-98"', '"960 of 1000"')).document(Report)


def test_a_report_for_people():
    few = Part("completeness", (indicator("few", passed=1, checked=2),))
    report = replace(REPORT, parts=(PARTS[0], few, *PARTS[2:]))
    assert [part.level for part in report.parts] == [None, None, 4, None, None, None]
    text = quality.as_text(report, "en")
    assert "accuracy  4\n  age is in its bounds: 95-to-98 % (1000-to-9999)" in text and "completeness  not told\n  few: not told" in text
    assert "准确性  4" in quality.as_text(report, "zh") and "不予说明" in quality.as_text(report, "zh")
