"""What the requests get that are cut off when the server stops."""

from http import HTTPStatus

from vllm.exceptions import GracefulHTTPError, RetryableRequestError


class ServerStoppingError(GracefulHTTPError, RetryableRequestError):
    """Both of vLLM's: as the first its engine client passes it on as it is, as the second the streams of
    all endpoints say it as an error event, without a traceback in the log."""

    def __init__(self) -> None:
        super().__init__(
            "The server is stopping: this request was cut off. Please send it again.",
            HTTPStatus.SERVICE_UNAVAILABLE,
        )
        self.status_code = HTTPStatus.SERVICE_UNAVAILABLE
