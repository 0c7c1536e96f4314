"""A memory on its way into the index."""

from dataclasses import dataclass, replace

from cross_session.domain.memory import Memory, memory_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a note says as a memory, and the unit vector of it.

    `given` names the fields that the caller set; the others have their defaults. With "id"
    among them the memory's id is the caller's own, else it is still to be derived.
    `supersedes` is the id of the memory whose place it takes.
    """

    memory: Memory
    given: frozenset[str]
    vector: list[float]
    supersedes: str | None = None

    @property
    def outdates(self) -> bool:
        """Whether something may have to give way to it."""
        return self.supersedes is not None or self.memory.subject is not None

    def named(self, attempt: int = 0) -> Memory:
        """The memory with its id; `attempt` as in `memory_id`."""
        memory = self.memory
        if "id" in self.given:
            return memory
        derived = memory_id(
            tenant=memory.tenant,
            namespace=memory.namespace,
            session_id=memory.session_id,
            content=memory.content,
            event_time=memory.event_time if "event_time" in self.given else None,
            attempt=attempt,
        )
        return replace(memory, id=derived)

    def restating(self, standing: Memory) -> Memory:
        """The memory that stands, with what this says differently."""
        given = {name: getattr(self.memory, name) for name in self.given - {"id"}}
        restated = replace(
            standing,
            **given,
            updated_at=self.memory.updated_at,
            written_at=max(standing.written_at, self.memory.written_at),
        )
        if restated.content != standing.content:
            restated = replace(restated, preceding=self.memory.preceding)
        return restated
