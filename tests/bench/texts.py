"""Made-up project notes and questions, as many as a measurement needs; the same each time."""

import random

_SUBJECTS = (
    "the backend", "the mobile app", "the billing service", "the search index", "the login page",
    "the data pipeline", "the release train", "the design system", "the staging cluster",
    "the customer survey", "the payment provider", "the on-call rota", "the import job",
    "the feature flag", "the API gateway", "the nightly backup", "the audit report",
    "the onboarding flow", "the pricing page", "the cache layer", "the hiring plan",
)  # fmt: skip
_VERBS = (
    "was moved to", "now depends on", "is blocked by", "will be replaced by", "was reviewed with",
    "should wait for", "was tested against", "is owned by", "needs a decision about",
    "was rolled back because of", "is twice as fast with", "will ship after", "was split from",
)  # fmt: skip
_OBJECTS = (
    "PostgreSQL", "the new queue", "Ada's proposal", "the March budget", "the legal review",
    "a smaller instance", "the vendor contract", "two more engineers", "the old schema",
    "end-to-end encryption", "the Frankfurt region", "a feature freeze", "the beta group",
    "the accessibility audit", "a cheaper plan", "the second migration", "rate limiting",
)  # fmt: skip
_ENDINGS = (
    "next week", "by the end of the quarter", "as agreed on Tuesday", "until further notice",
    "after the holidays", "to save costs", "following the incident", "at the team's request",
    "for the pilot customers", "with no downtime", "despite the risk", "once tests are green",
)  # fmt: skip


def note(seed: int) -> str:
    """A sentence of about fifteen words, another for each seed."""
    chosen = random.Random(seed)  # noqa: S311
    parts = [chosen.choice(words) for words in (_SUBJECTS, _VERBS, _OBJECTS, _ENDINGS)]
    return f"{' '.join(parts).capitalize()}; ticket {seed} has the details."


def question(seed: int) -> str:
    chosen = random.Random(~seed)  # noqa: S311
    return f"What did we say about {chosen.choice(_SUBJECTS)} and {chosen.choice(_OBJECTS)}?"
