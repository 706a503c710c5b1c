"""What the endpoint says: answers, and the errors of the service in the service's own words."""

from dataclasses import dataclass, field

import orjson

JSON = "application/json"

CODES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    409: "Conflict",
    410: "Gone",
    412: "PreconditionFailed",
    413: "RequestEntityTooLarge",
    424: "FailedDependency",
    429: "429",
    449: "RetryWith",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}

THROTTLED = (
    "Request rate is large. More Request Units may be needed, so no changes were made. Please retry this "
    "request later. Learn more: http://aka.ms/cosmosdb-error-429"
)
RANGE_GONE = "The requested resource is no longer available at the server. The partition key range is gone"
NOT_FOUND = "Resource Not Found. Learn more: https://aka.ms/cosmosdb-tsg-not-found"
CONFLICT = "Resource with specified id or name already exists."
PRECONDITION = "One of the specified pre-condition is not met. Learn more: https://aka.ms/CosmosDB/sql/errors/precondition-failed"
KEY_MISMATCH = (
    "PartitionKey extracted from document doesn't match the one specified in the header. "
    "Learn more: https://aka.ms/CosmosDB/sql/errors/wrong-pk-value"
)
TOO_LARGE = "Request size is too large"

SUBSTATUS_KEY_MISMATCH = 1001
SUBSTATUS_RANGE_GONE = 1002
SUBSTATUS_OWNER_NOT_FOUND = 1003
SUBSTATUS_NOT_SERVABLE = 1004
SUBSTATUS_RID_MISMATCH = 1024
SUBSTATUS_MIGRATING = 1008
SUBSTATUS_THROTTLED = 3200


@dataclass(slots=True)
class Answer:
    """One HTTP answer. `charge` is in request units."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    charge: float = 0.0


class CosmosError(Exception):
    """A request refused, as the service refuses it: status, substatus and a sentence."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        substatus: int = 0,
        retry_after_ms: int | None = None,
        charge: float = 0.0,
        extra: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.substatus = substatus
        self.retry_after_ms = retry_after_ms
        self.charge = charge
        self.extra = extra or {}

    def answer(self, activity_id: str) -> Answer:
        """The error as the service words it: `{code, message}` with the errors quoted inside the message."""
        headers: dict[str, str] = {}
        if self.substatus:
            headers["x-ms-substatus"] = str(self.substatus)
        if self.retry_after_ms is not None:
            headers["x-ms-retry-after-ms"] = str(self.retry_after_ms)
        # A message may quote header bytes that are not text; they must not break the answer.
        message = self.message.encode("utf-8", "replace").decode()
        quoted = orjson.dumps({"Errors": [message]}).decode()
        body = {
            "code": CODES.get(self.status, str(self.status)),
            "message": f"Message: {quoted}\r\nActivityId: {activity_id}, "
            "Microsoft.Azure.Documents.Common/2.14.0",
            **self.extra,
        }
        return Answer(self.status, orjson.dumps(body), headers, self.charge)


def bad_request(message: str, substatus: int = 0) -> CosmosError:
    """400: the request itself is wrong."""
    return CosmosError(400, message, substatus=substatus)


def not_found(message: str = NOT_FOUND, substatus: int = 0) -> CosmosError:
    """404: no such resource."""
    return CosmosError(404, message, substatus=substatus, charge=1.0)


def range_gone(range_id: str) -> CosmosError:
    """410/1002: the addressed partition key range does not exist, or no longer."""
    return CosmosError(410, f"{RANGE_GONE}: {range_id}", substatus=SUBSTATUS_RANGE_GONE)


def throttled(retry_after_ms: int) -> CosmosError:
    """429/3200: the range's budget of this second is used up."""
    return CosmosError(429, THROTTLED, substatus=SUBSTATUS_THROTTLED, retry_after_ms=retry_after_ms)
