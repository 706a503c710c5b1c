"""Names and name servers: what the system makes of a name, and what each name server says to it."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from sensor_tui.service.diagnostics import dns_inside
from sensor_tui.service.diagnostics.dns_inside import PORT, name_servers

__all__ = ["PORT", "ServerAnswer", "ask", "name_servers", "resolve"]

_RESOLVE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What one name server said: answers counted, or why there is none."""

    server: str
    said: str
    answered: bool


async def ask(
    server: str, name: str, *, seconds: float = dns_inside.ASK_SECONDS, port: int = PORT
) -> ServerAnswer:
    """Ask one name server for the addresses of a name."""
    threads = ThreadPoolExecutor(1, thread_name_prefix="sensor-dns")
    try:
        told = await asyncio.get_running_loop().run_in_executor(
            threads, lambda: dns_inside.ask(server, name, port, seconds)
        )
    finally:
        threads.shutdown(wait=False)
    return ServerAnswer(server, str(told["said"]), answered=bool(told["answered"]))


async def resolve(host: str) -> tuple[list[str], str]:
    """Addresses of a name as this machine has them; without any, why."""
    threads = ThreadPoolExecutor(1, thread_name_prefix="sensor-dns")
    try:
        found = asyncio.get_running_loop().run_in_executor(
            threads, lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        )
        async with asyncio.timeout(_RESOLVE_SECONDS):
            return list(dict.fromkeys(str(each[4][0]) for each in await found)), ""
    except TimeoutError:
        return [], f"no result within {_RESOLVE_SECONDS:.0f} s"
    except (OSError, UnicodeError) as error:
        return [], str(getattr(error, "strerror", None) or error)
    finally:
        threads.shutdown(wait=False)
