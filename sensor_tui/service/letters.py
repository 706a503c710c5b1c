"""Dead letters of one open store: to page through, to retry, to drop."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sensor_tui.service.merge import iso
from sensor_tui.service.wire_asks import Letter, LetterFilter, LetterPage, LettersChanged

if TYPE_CHECKING:
    from sensor_tui.storage.ledger import Ledger, StoredLetter
    from sensor_tui.storage.store import SqliteStore

LIST_FIX: Final = "'sensor-tui deadletters list' shows all"

_SHOWN_IDS: Final = 20


async def page(ledger: "Ledger", which: LetterFilter, *, offset: int, limit: int) -> LetterPage:
    """Dead letters that fit, without their documents.

    Raises:
        StorageError: the ledger cannot be read.
    """
    found = await ledger.letters(
        source=which.source, sensor=which.sensor_id, sink=which.sink, limit=limit + 1, offset=offset
    )
    total = sum((await ledger.dead_letters()).values())
    return LetterPage(
        letters=tuple(_wire(stored) for stored in found[:limit]),
        total=total,
        next_offset=offset + limit if len(found) > limit else None,
    )


async def one(ledger: "Ledger", letter_id: int) -> Letter | None:
    """One of them with its document.

    Raises:
        StorageError: the ledger cannot be read.
    """
    found = await ledger.letters(ids=[letter_id])
    return _wire(found[0], document=found[0].letter.document) if found else None


async def retry(store: "SqliteStore", ids: Sequence[int] | None) -> LettersChanged:
    """Open their rows again and have them read; all of them without `ids`. The files must have been scanned.

    Raises:
        StorageError: the ledger cannot be written.
    """
    before = await _known(store.ledger, ids)
    outcome = await store.reopen(None if ids is None else list(ids))
    failed = {
        stored.id: outcome.problems[stored.letter.source]
        for stored in before
        if stored.letter.source in outcome.problems
    }
    return LettersChanged(changed=outcome.letters, missing=_missing(before, ids), failed=failed)


async def drop(ledger: "Ledger", ids: Sequence[int] | None) -> LettersChanged:
    """Forget them; all of them without `ids`. Their rows stay closed.

    Raises:
        StorageError: the ledger cannot be written.
    """
    before = await _known(ledger, ids)
    dropped = await ledger.drop(None if ids is None else list(ids))
    return LettersChanged(changed=dropped, missing=_missing(before, ids))


def target(ids: Sequence[int] | None) -> str:
    """Which letters a command was for, for the action log."""
    if ids is None:
        return "all"
    shown = ", ".join(map(str, ids[:_SHOWN_IDS]))
    return shown if len(ids) <= _SHOWN_IDS else f"{shown}, … ({len(ids)} in all)"


def result(outcome: LettersChanged) -> str:
    """What came of it, for the action log."""
    return f"{outcome.changed} done, {len(outcome.failed)} failed"


async def _known(ledger: "Ledger", ids: Sequence[int] | None) -> list["StoredLetter"]:
    return await ledger.letters(ids=None if ids is None else list(ids))


def _missing(known: Sequence["StoredLetter"], ids: Sequence[int] | None) -> tuple[int, ...]:
    there = {stored.id for stored in known}
    return () if ids is None else tuple(each for each in dict.fromkeys(ids) if each not in there)


def _wire(stored: "StoredLetter", *, document: str | None = None) -> Letter:
    letter = stored.letter
    return Letter(
        id=stored.id,
        source=letter.source,
        row_id=letter.row_id,
        sink=letter.sink,
        sensor_id=letter.sensor_id,
        event_time=letter.event_time,
        code=letter.code,
        reason=letter.reason,
        at=iso(letter.at) or "",
        document=document,
    )
