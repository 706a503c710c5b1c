"""Fields that a stage was told of, and that the first file has no column for: said once."""

import logging
from collections.abc import Iterable

from sensor_tui.model.reading import Batch
from sensor_tui.sync.stages.fields import folded

log = logging.getLogger(__name__)


class Absent:
    """Looks at the first batch that comes from a file, and at no other.

    Args:
        stage: name of the processor.
        fields: names that should be among the fields of a file.
        undone: what is not done to such a field.
    """

    def __init__(self, stage: str, fields: Iterable[str], undone: str) -> None:
        self._stage = stage
        self._fields = frozenset(fields)
        self._undone = undone

    def look(self, batch: Batch) -> None:
        """Log a warning for each name that is missing; a batch made of windows has no source, and waits."""
        if not (self._fields and batch.source):
            return
        there = set(map(folded, batch.schema.fields))
        for name in sorted(self._fields):
            if folded(name) not in there:
                log.warning("%s: %s has no column for %s: %s", self._stage, batch.source, name, self._undone)
        self._fields = frozenset()
