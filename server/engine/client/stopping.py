"""What the requests get that the server cuts off: when it stops, and when its weights change under them."""

from http import HTTPStatus

from vllm.exceptions import GracefulHTTPError, RetryableRequestError


class CutOffError(GracefulHTTPError, RetryableRequestError):
    """Derives from two of vLLM's errors.

    vLLM's engine client passes the first on as it is; the streams of all endpoints write the second as an
    error event, without a traceback in the log.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, HTTPStatus.SERVICE_UNAVAILABLE)
        self.status_code = HTTPStatus.SERVICE_UNAVAILABLE


class ServerStoppingError(CutOffError):
    """The server stops."""

    def __init__(self) -> None:
        super().__init__("The server is stopping: this request was cut off. Please send it again.")


class WeightsChangedError(CutOffError):
    """The model's weights are exchanged, and no response is made with both."""

    def __init__(self) -> None:
        super().__init__(
            "The model's weights were updated before this request was finished: nothing of it counts. Please"
            " send it again."
        )
