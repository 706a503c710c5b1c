"""Dead letters of this service and of its peers as one list: each is in the ledger of who buried it."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from sensor_tui.errors import SensorTuiError, ServiceError
from sensor_tui.service.peers import Peers
from sensor_tui.service.wire_asks import Letter, LetterFilter, LetterPage, LettersChanged

if TYPE_CHECKING:
    from sensor_tui.service.client import ServiceClient

STRIDE: Final = 10**9
"""An id of a peer's is that many times the peer's number, plus the id in the peer's ledger."""
_NUMBERS: Final = 899_999
_PAGE: Final = 1000
CHANGE_SECONDS: Final = 30.0
"""How long a peer may take to retry or drop."""

Ask = Callable[[LetterFilter, int, int], Awaitable[LetterPage]]
"""A page of one ledger: which, offset, limit."""
Change = Callable[["ServiceClient", Sequence[int] | None], Awaitable[LettersChanged]]


def number_of(name: str) -> int:
    """A peer's number, the same in every run."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return 1 + int.from_bytes(digest, "big") % _NUMBERS


async def page(own: Ask, peers: Peers, which: LetterFilter, *, offset: int, limit: int) -> LetterPage:
    """A page of all of them: our own first, then the peers' by name. A peer that cannot say is passed over.

    Raises:
        StorageError: our own ledger cannot be read.
    """
    skip, total = offset, 0
    found: list[Letter] = []
    for name, ask, asked in _ledgers(own, peers, which):
        try:
            first = await ask(asked or LetterFilter(), 0, 1)
            total += first.total
            if asked is None:
                continue  # none of it is meant
            at = min(skip, first.total) if which == LetterFilter() else 0
            skip -= at
            while len(found) <= limit:
                each = await ask(asked, at, min(_PAGE, skip + limit + 1 - len(found)))
                found += [_named(letter, name) for letter in each.letters[skip:]]
                skip = max(0, skip - len(each.letters))
                if each.next_offset is None:
                    break
                at = each.next_offset
        except SensorTuiError:
            if not name:
                raise
    following = offset + limit if len(found) > limit else None
    return LetterPage(letters=tuple(found[:limit]), total=total, next_offset=following)


async def one(peers: Peers, letter_id: int) -> Letter | None:
    """A peer's letter with its document; None where there is no such peer.

    Raises:
        ServiceError: the peer does not answer.
        UsageError: it has none of that id.
    """
    name, inner = _place(peers, letter_id)
    peer = None if name is None else peers.of(name)
    if name is None or peer is None:
        return None
    async with peer.client() as client:
        return _named(await client.letter(inner), name)


def ours(ids: Sequence[int] | None) -> Sequence[int] | None:
    """Those of our own ledger; all of them where None."""
    return None if ids is None else [each for each in ids if each < STRIDE]


async def change(
    done: LettersChanged, peers: Peers, ids: Sequence[int] | None, what: Change
) -> LettersChanged:
    """Retry or drop those of the peers as well; `done` is what came of our own."""
    if ids is None:
        for name in peers.spoken:
            done = _plus(done, await _of_all(peers, name, what), name)
        return done
    theirs: dict[str | None, list[int]] = {}
    for each in ids:
        if each >= STRIDE:
            theirs.setdefault(_place(peers, each)[0], []).append(each)
    for owner, wanted in theirs.items():
        if owner is None:
            done = done.model_copy(update={"missing": (*done.missing, *wanted)})
        else:
            done = _plus(done, await _of_some(peers, owner, wanted, what), owner)
    return done


async def _of_all(peers: Peers, name: str, what: Change) -> LettersChanged:
    peer = peers.of(name)
    assert peer is not None
    if not peer.live and not (peer.report is not None and peer.report.dead_letters):
        return LettersChanged(changed=0)
    try:
        async with asyncio.timeout(CHANGE_SECONDS), peer.client() as client:
            return await what(client, None)
    except TimeoutError:
        return LettersChanged(changed=0, notices=(f"{name}: does not answer",))
    except SensorTuiError as error:
        return LettersChanged(changed=0, notices=(f"{name}: {error.message}",))


async def _of_some(peers: Peers, name: str, ids: Sequence[int], what: Change) -> LettersChanged:
    peer = peers.of(name)
    assert peer is not None
    inner = [each % STRIDE for each in ids]
    try:
        async with asyncio.timeout(CHANGE_SECONDS), peer.client() as client:
            return await what(client, inner)
    except TimeoutError:
        why = f"the uploader of {name} does not answer"
        return LettersChanged(changed=0, failed=dict.fromkeys(inner, why))
    except SensorTuiError as error:
        return LettersChanged(changed=0, failed=dict.fromkeys(inner, error.message))


def _plus(one: LettersChanged, other: LettersChanged, name: str) -> LettersChanged:
    """Both, with the ids of the other as they are known here."""
    return LettersChanged(
        changed=one.changed + other.changed,
        missing=(*one.missing, *(_outer(name, each) for each in other.missing)),
        failed={**one.failed, **{_outer(name, each): why for each, why in other.failed.items()}},
        notices=(*one.notices, *other.notices),
    )


def _ledgers(own: Ask, peers: Peers, which: LetterFilter) -> Iterable[tuple[str, Ask, LetterFilter | None]]:
    """Every ledger with its name, and what to ask of it; None where nothing of it is meant."""
    yield "", own, which
    for name in peers.names:
        asked: LetterFilter | None = which
        if which.source is not None:
            inside = which.source.startswith(f"{name}/")
            short = which.source.removeprefix(f"{name}/")
            asked = which.model_copy(update={"source": short}) if inside else None
        yield name, _asking(peers, name), asked


def _asking(peers: Peers, name: str) -> Ask:
    async def ask(which: LetterFilter, offset: int, limit: int) -> LetterPage:
        peer = peers.of(name)
        if peer is None:
            raise ServiceError(f"{name} is gone")
        async with peer.client() as client:
            return await client.letters(which, offset=offset, limit=limit)

    return ask


def _place(peers: Peers, letter_id: int) -> tuple[str | None, int]:
    """Whose letter it is, None where nobody's, and its id there."""
    number, inner = divmod(letter_id, STRIDE)
    return next((name for name in peers.spoken if number_of(name) == number), None), inner


def _outer(name: str, letter_id: int) -> int:
    return number_of(name) * STRIDE + letter_id


def _named(letter: Letter, name: str) -> Letter:
    if not name:
        return letter
    outer = {"id": _outer(name, letter.id), "source": f"{name}/{letter.source}", "engine": name}
    return letter.model_copy(update=outer)
