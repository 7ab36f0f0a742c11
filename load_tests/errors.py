"""What went wrong outside of the measured server."""


class UsageError(Exception):
    """A mistake in the call, or a server that cannot be started: one line and exit code 2."""
