"""One tree of errors; the HTTP status and the code on the wire are on the class.

SightlineError                  something a person can act on; its text is shown to them
├── InputError            400   the request or the image is wrong
│   ├── BadRequest        400   a field, a type, a value
│   ├── BadImage          400   bytes that are no image we can read
│   ├── UnsupportedImage  415   an image format that is not served
│   └── TooLarge          413   body, pixels or number of images over the limit
├── Overloaded            429   the queue is full; carries `retry_after_s`
├── DeadlineExceeded      504   the request's deadline passed before the model had run
├── DeviceLost            503   the device is dead, the process must be replaced
├── ExplanationFailed     503   the explanation was refused, late or failed; the score is not lost
├── ModelFolderError      500   a model folder that is missing, damaged or from the future
└── UsageError            500   a command, a job file or a data set that cannot be used
"""

from typing import ClassVar


class SightlineError(Exception):
    """Base of every error whose text is meant for the person who caused it."""

    code: ClassVar[str] = "error"
    http_status: ClassVar[int] = 500


class InputError(SightlineError):
    """The request or the image is wrong."""

    code = "bad_input"
    http_status = 400


class BadRequest(InputError):
    """A field, a type or a value of the request is wrong."""

    code = "bad_request"


class BadImage(InputError):
    """The bytes are no image that can be read."""

    code = "bad_image"


class UnsupportedImage(InputError):
    """An image format, or a content type, that is not served."""

    code = "unsupported_image"
    http_status = 415


class TooLarge(InputError):
    """The body, the pixels or the number of images is over the limit."""

    code = "too_large"
    http_status = 413


class Overloaded(SightlineError):
    """The queue is full. `retry_after_s` is the time, in seconds, that the backlog needs."""

    code = "overloaded"
    http_status = 429

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with the keyword: the explainer's errors cross a process boundary."""
        return (_rebuild_overloaded, (str(self), self.retry_after_s))


def _rebuild_overloaded(message: str, retry_after_s: float) -> Overloaded:
    return Overloaded(message, retry_after_s=retry_after_s)


class DeadlineExceeded(SightlineError):
    """The request's deadline passed before the model had run; nothing was computed for it."""

    code = "deadline_exceeded"
    http_status = 504


class DeviceLost(SightlineError):
    """The device is dead, and with it all that this process keeps there: it must be replaced."""

    code = "device_lost"
    http_status = 503


class ExplanationFailed(SightlineError):
    """The explanation was refused, late or failed; the score is not lost."""

    code = "explanation_failed"
    http_status = 503


class ModelFolderError(SightlineError):
    """The model folder is missing, damaged or written by a newer version."""

    code = "bad_model_folder"


class UsageError(SightlineError):
    """A command, a job file or a data set that cannot be used as it is."""

    code = "usage"
