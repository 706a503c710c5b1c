"""Asking which processes a unit has; those who ask at the same time share one look at the machine's."""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from sensor_tui.fleet import process_table
from sensor_tui.fleet.process_table import Leader


class _Question(NamedTuple):
    leader: Leader | None
    mark: str
    answer: asyncio.Future[list[int]]


class Census:
    """Each answer comes from a look that began after the question."""

    def __init__(self, variable: str, pool: Executor) -> None:
        """`variable` is what every process of a unit carries in its environment."""
        self._variable = variable
        self._pool = pool
        self._asked: list[_Question] = []
        self._looking: asyncio.Task[None] | None = None
        self._marks: dict[tuple[int, str], str | None] = {}

    async def members(self, leader: Leader | None, mark: str) -> list[int]:
        """Processes of the session of `leader`, and those elsewhere that carry this mark.

        The session counts only while the number of its leader is still that one's, be it dead.
        """
        loop = asyncio.get_running_loop()
        question = _Question(leader, mark, loop.create_future())
        self._asked.append(question)
        if self._looking is None:
            self._looking = loop.create_task(self._look())
        return await question.answer

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        asked: list[_Question] = []
        try:
            while self._asked:
                asked, self._asked = self._asked, []
                try:
                    answers = await loop.run_in_executor(self._pool, self._answers, asked)
                except Exception as error:  # noqa: BLE001 - of those who asked
                    for question in asked:
                        if not question.answer.done():
                            question.answer.set_exception(error)
                    continue
                for question, answer in zip(asked, answers, strict=True):
                    if not question.answer.done():
                        question.answer.set_result(answer)
        finally:
            self._looking = None
            for question in (*asked, *self._asked):
                question.answer.cancel()
            self._asked = []

    def _answers(self, asked: Sequence[_Question]) -> list[list[int]]:
        every = process_table.table()
        by_session: dict[int, set[int]] = {}
        by_mark: dict[str | None, set[int]] = {}
        marks, self._marks = self._marks, {}
        for pid, each in every.items():
            # A process keeps the mark it was born with, so it is read once; its session tells the rest.
            key = (pid, each.birth)
            mark = marks[key] if key in marks else process_table.mark_of(pid, self._variable)
            self._marks[key] = mark
            by_mark.setdefault(mark, set()).add(pid)
            by_session.setdefault(each.session, set()).add(pid)
        answers = []
        for leader, mark, _ in asked:
            found = set(by_mark.get(mark, ()))
            if leader is not None and leader.birth and process_table.birth(leader.pid) == leader.birth:
                found |= by_session.get(leader.pid, set())
            answers.append(sorted(found - {os.getpid()}))
        return answers
