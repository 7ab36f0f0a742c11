"""What a person who deploys can do wrong."""


class UsageError(Exception):
    """A mistake in the call, or a program that cannot be run: one line and exit code 2."""
