"""A connection to the service that broke, in the words of whoever looks at it."""

import httpx

from sensor_tui.errors import ServiceError


def why(error: BaseException | None) -> str:
    """What became of a connection, told from the kind of its error; empty where it is not about one."""
    if isinstance(error, httpx.ConnectError):
        return "nothing listens there"
    if isinstance(error, httpx.TimeoutException):
        return "it took too long"
    if isinstance(error, httpx.TransportError):
        return "the connection was cut"
    return "the connection failed" if isinstance(error, httpx.HTTPError) else ""


def lost(where: object, error: BaseException) -> ServiceError | None:
    """The error for a service that was there and answers no more; None where that is not what happened.

    An error that was raised from one of the connection is about it too.
    """
    words = why(error) or why(error.__cause__)
    if not words:
        return None
    return ServiceError(
        f"The service at {where} does not answer any more: {words}",
        fix="Start it with 'sensor-tui service start'",
    )
