"""Schedule: idle sessions end for good; sessions that are due are consolidated."""

from cross_session.sweep import sweep


def handler(_event: object, _context: object) -> dict[str, int]:
    swept = sweep()
    return {"ended_count": swept.ended_count, "sent_count": swept.sent_count}
