"""What a stage is: something done to the readings of a batch between their source and the sinks.

A stage keeps rows and their positions: the row at a position is the same reading from the first stage to the
last. It never changes the row id, nor the columns `sensor_id`, `timestamp` and `location` of the schema, of
which a document's id and city are made; it hides a column by giving it an empty field name, and puts what
documents shall carry instead into a column of its own.
"""

from dataclasses import dataclass, field
from typing import Protocol

from sensor_tui.model.reading import Batch

RAW = "Raw"
"""`processingStage` of a reading no stage has seen."""


@dataclass(slots=True)
class Staged:
    """A batch on its way through the stages."""

    batch: Batch
    stage: str = RAW
    """`processingStage` its documents carry."""
    rejected: dict[int, str] = field(default_factory=dict)
    """Positions of rows that become dead letters, with the reason; later stages pass them by."""
    anomalous: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Positions that a rule found anomalous, with the document fields it is about."""


class Stage(Protocol):
    """One processor. It may remember earlier batches of the same file; it never waits."""

    name: str
    """Name of the processor, as the configuration has it."""

    def apply(self, staged: Staged) -> None:
        """Work on the batch, replacing `staged.batch` where rows or schema change."""
        ...

    def forget(self, source: str) -> None:
        """That file is gone or begins again: what is remembered of it is void."""
        ...
