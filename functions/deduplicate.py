"""Schedule: repeats are folded in the namespaces whose policy says so."""

from cross_session.deduplicate import deduplicate_due


def handler(_event: object, _context: object) -> dict[str, int]:
    return {"folded_count": deduplicate_due()}
