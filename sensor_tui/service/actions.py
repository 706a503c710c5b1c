"""What the API lets a person do, apart from how it is asked for; each is written to the action log."""

from collections.abc import Sequence
from typing import Protocol

from sensor_tui.service.board import Board
from sensor_tui.service.wire_asks import Done, Letter, LetterFilter, LetterPage, LettersChanged, Throughput


class Actions(Protocol):
    """A service as its API sees it; `who` is the person or program that asks."""

    board: Board

    async def pause(self, who: str) -> Done:
        """Stop reading; what is under way goes on."""
        ...

    async def resume(self, who: str) -> Done:
        """Read on."""
        ...

    async def sync(self, who: str, *, quiet: bool = False) -> Done:
        """Start a round without waiting for the interval; not written to the action log where `quiet`."""
        ...

    async def drain(self, who: str, *, stop: bool, now: bool) -> Done:
        """Stop reading and settle what is under way; end the service afterwards, or at once, if asked to."""
        ...

    async def letters(self, which: LetterFilter, *, offset: int, limit: int) -> LetterPage:
        """Dead letters, without their documents.

        Raises:
            StorageError: the ledger cannot be used.
        """
        ...

    async def letter(self, letter_id: int) -> Letter | None:
        """One dead letter with its document; None where there is none of that id."""
        ...

    async def retry(self, who: str, ids: Sequence[int] | None) -> LettersChanged:
        """Open the rows of these dead letters again, or of all of them, and read them."""
        ...

    async def drop(self, who: str, ids: Sequence[int] | None) -> LettersChanged:
        """Forget these dead letters, or all of them; their rows stay closed."""
        ...

    async def throughput(self, since: float) -> Throughput:
        """History after that moment, in seconds since the epoch."""
        ...
