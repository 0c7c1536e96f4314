"""Schedule: memories past their time are removed."""

from cross_session.forget import forget_expired


def handler(_event: object, _context: object) -> dict[str, int]:
    return {"deleted_count": forget_expired()}
