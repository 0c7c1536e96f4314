"""Figures as tables."""

from collections.abc import Sequence


def percentiles(seconds: Sequence[float], *wanted: float) -> list[str]:
    """Milliseconds at each percentile in `wanted`, by nearest rank."""
    ordered = sorted(seconds)
    return [
        f"{ordered[min(len(ordered) - 1, int(len(ordered) * one / 100))] * 1000:.1f}"
        for one in wanted
    ]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns right-aligned but for the first."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (head, *rows)
    ]
    return "\n".join(lines)
