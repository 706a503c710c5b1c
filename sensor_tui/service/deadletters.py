"""Dead letters by command: through the service where one runs, on ledger and files where none does."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sensor_tui.errors import OwnedElsewhere, UsageError
from sensor_tui.model.clock import Clock
from sensor_tui.service import letters
from sensor_tui.service.attach import attach, state_of
from sensor_tui.service.client import ServiceClient
from sensor_tui.service.pipeline import check_request
from sensor_tui.service.request import SyncRequest
from sensor_tui.service.server import user_name
from sensor_tui.service.wire_asks import Letter, LetterFilter, LetterPage, LettersChanged

if TYPE_CHECKING:
    from sensor_tui.storage.ledger import Ledger
    from sensor_tui.storage.store import SqliteStore


async def list_letters(
    request: SyncRequest,
    clock: Clock,
    which: LetterFilter | None = None,
    *,
    offset: int = 0,
    limit: int = 100,
) -> LetterPage:
    """A page of dead letters, in the order they were buried.

    Raises:
        UsageError: there is no such file or folder.
        StorageError, ServiceError: ledger or service cannot be used.
    """
    client = _client(request, clock)
    if client is not None:
        async with client:
            return await client.letters(which, offset=offset, limit=limit)
    async with _ledger(request, clock, read_only=True) as ledger:
        return await letters.page(ledger, which or LetterFilter(), offset=offset, limit=limit)


async def show_letter(request: SyncRequest, clock: Clock, letter_id: int) -> Letter:
    """One dead letter with its document.

    Raises:
        UsageError: there is none of that id, or no such file or folder.
        StorageError, ServiceError: ledger or service cannot be used.
    """
    client = _client(request, clock)
    if client is not None:
        async with client:
            return await client.letter(letter_id)
    async with _ledger(request, clock, read_only=True) as ledger:
        found = await letters.one(ledger, letter_id)
    if found is None:
        raise UsageError(f"There is no dead letter {letter_id}", fix=letters.LIST_FIX)
    return found


async def retry_letters(request: SyncRequest, clock: Clock, ids: Sequence[int] | None) -> LettersChanged:
    """Have dead letters read and sent again, all of them where `ids` is None.

    A running service reads them at once, otherwise the next upload does.

    Raises:
        OwnedElsewhere: another engine has one of the files, and its service cannot be reached.
        UsageError, StorageError, ServiceError: as `list_letters`.
    """
    client = _client(request, clock)
    if client is not None:
        async with client:
            return await client.retry(ids)
    async with _store(request, clock) as store:
        elsewhere = (await store.scan()).owned_elsewhere
        wanted = {
            each.letter.source for each in await store.ledger.letters(ids=None if ids is None else list(ids))
        }
        for source in sorted(wanted & elsewhere.keys()):
            raise OwnedElsewhere(
                f"{source} belongs to another engine: {elsewhere[source]}",
                fix="Retry where that engine runs, or stop it first",
            )
        outcome = await letters.retry(store, ids)
        # nobody reads these files while we own them: take the saved positions back at once
        await store.rewinds()
        await _note(store.ledger, clock, "retry dead letters", ids, outcome)
        return outcome


async def drop_letters(request: SyncRequest, clock: Clock, ids: Sequence[int] | None) -> LettersChanged:
    """Forget dead letters, all of them where `ids` is None; their rows stay closed.

    Raises:
        UsageError, StorageError, ServiceError: as `list_letters`.
    """
    client = _client(request, clock)
    if client is not None:
        async with client:
            return await client.drop(ids)
    async with _ledger(request, clock, read_only=False) as ledger:
        outcome = await letters.drop(ledger, ids)
        await _note(ledger, clock, "drop dead letters", ids, outcome)
        return outcome


def _client(request: SyncRequest, clock: Clock) -> ServiceClient | None:
    check_request(request)
    return attach(request, clock)


@asynccontextmanager
async def _ledger(request: SyncRequest, clock: Clock, *, read_only: bool) -> "AsyncIterator[Ledger]":
    from sensor_tui.storage.ledger import Ledger

    async with Ledger(state_of(request), clock=clock, read_only=read_only) as ledger:
        yield ledger


@asynccontextmanager
async def _store(request: SyncRequest, clock: Clock) -> "AsyncIterator[SqliteStore]":
    from sensor_tui.storage.store import SqliteStore

    store = SqliteStore(request.root, clock=clock, state_dir=request.state_dir, place=request.place)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def _note(
    ledger: "Ledger", clock: Clock, action: str, ids: Sequence[int] | None, outcome: LettersChanged
) -> None:
    from sensor_tui.storage.history import OperatorAction

    await ledger.record_action(
        OperatorAction(clock.now(), user_name(), action, letters.target(ids), letters.result(outcome))
    )
