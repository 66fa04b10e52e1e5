"""What the requests get that are cut off when the server stops."""

from http import HTTPStatus

from vllm.exceptions import GracefulHTTPError, RetryableRequestError


class ServerStoppingError(GracefulHTTPError, RetryableRequestError):
    """Derives from two of vLLM's errors.

    vLLM's engine client passes the first on as it is; the streams of all endpoints write the second as an
    error event, without a traceback in the log.
    """

    def __init__(self) -> None:
        super().__init__(
            "The server is stopping: this request was cut off. Please send it again.",
            HTTPStatus.SERVICE_UNAVAILABLE,
        )
        self.status_code = HTTPStatus.SERVICE_UNAVAILABLE
