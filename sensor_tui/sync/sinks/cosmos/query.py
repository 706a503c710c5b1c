"""Reading a container back: counts, the newest readings, everything; through the azure-cosmos SDK."""

from collections.abc import AsyncIterator, Mapping, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import orjson
from azure.core.exceptions import AzureError
from azure.cosmos.exceptions import CosmosHttpResponseError

from sensor_tui.errors import UsageError
from sensor_tui.model.clock import Clock
from sensor_tui.sync.sinks.cosmos.answers import message_of
from sensor_tui.sync.sinks.cosmos.auth import credential_of, signer_for
from sensor_tui.sync.sinks.cosmos.connection import Connection
from sensor_tui.sync.sinks.cosmos.control import Control
from sensor_tui.sync.sinks.cosmos.options import CosmosOptions

Document = dict[str, Any]


class CosmosQuery:
    """Questions to one container, as an asynchronous context manager; changes nothing.

    Conditions are fields with the value they must have; one on the partition key keeps the query
    within that partition.

    Raises:
        SinkUnreachable: no answer.
        SinkRefused: key, permission, or a container that is missing.
        UsageError: a query that is not understood.
    """

    def __init__(self, options: CosmosOptions, clock: Clock) -> None:
        self._options = options
        credential = credential_of(options)
        self._signer = signer_for(credential, options, clock)
        self._connection = Connection(options, self._signer)
        self._control = Control(options, self._connection, credential, clock)

    async def __aenter__(self) -> Self:
        await self._connection.open()
        try:
            await self._control.connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of connections."""
        await self._control.close()
        await self._connection.close()
        await self._signer.close()

    async def count(self, conditions: Mapping[str, Any] | None = None) -> int:
        """How many documents there are."""
        return sum([found async for found in self.select("SELECT VALUE COUNT(1) FROM c", conditions)])

    async def newest(self, limit: int, conditions: Mapping[str, Any] | None = None) -> list[Document]:
        """The last `limit` readings by their time, newest first."""
        sql = f"SELECT TOP {int(limit)} * FROM c"
        return [found async for found in self.select(sql, conditions, 'ORDER BY c["timestamp"] DESC')]

    def documents(self, conditions: Mapping[str, Any] | None = None) -> AsyncIterator[Document]:
        """Every document, in no order."""
        return self.select("SELECT * FROM c", conditions)

    async def select(
        self,
        sql: str,
        conditions: Mapping[str, Any] | None = None,
        order: str = "",
        *,
        terms: Sequence[str] = (),
        page: int | None = None,
    ) -> AsyncIterator[Any]:
        """Results of a query over `c`; conditions and further terms are put in between `sql` and `order`.

        `page` is how many of them one answer may hold.
        """
        wanted = dict(conditions or {})
        options: dict[str, Any] = {} if page is None else {"max_item_count": page}
        if self._options.key_field in wanted:
            # Said twice, since there are servers that take the header for no condition.
            options["partition_key"] = wanted[self._options.key_field]
        equal = [f"c[{orjson.dumps(field).decode()}] = @p{index}" for index, field in enumerate(wanted)]
        where = f"WHERE {' AND '.join([*equal, *terms])}" if equal or terms else ""
        query = " ".join(part for part in (sql, where, order) if part)
        parameters = [{"name": f"@p{index}", "value": value} for index, value in enumerate(wanted.values())]
        try:
            async for found in self._control.container.query_items(
                query, parameters=parameters or None, **options
            ):
                yield found
        except CosmosHttpResponseError as error:
            if error.status_code != HTTPStatus.BAD_REQUEST:
                raise self._control.explained(error) from error
            reason = message_of(str(error.http_error_message or "").encode())
            raise UsageError(f"The query is not understood: {reason}", fix=f"It was: {query}") from error
        except AzureError as error:
            raise self._control.explained(error) from error
