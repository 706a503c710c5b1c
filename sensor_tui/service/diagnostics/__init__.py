"""Diagnostics: checks in order, each with what it saw and what to do; with a service or without one."""

from sensor_tui.service.diagnostics.context import Context, of_request, of_service
from sensor_tui.service.diagnostics.runner import Diagnostics, list_checks

__all__ = ["Context", "Diagnostics", "list_checks", "of_request", "of_service"]
