"""What the operator sees of a running server: logs, metrics, traces. Nothing of a customer's is in any of them."""

from slotlease.telemetry.logs import Report, on_stray_of_loop, reporter, set_up_logs, tell_strays, told_of

__all__ = ["Report", "on_stray_of_loop", "reporter", "set_up_logs", "tell_strays", "told_of"]
