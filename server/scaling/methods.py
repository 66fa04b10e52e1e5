"""The methods that `scaling.method` can name, one row each."""

from server.scaling.majority import MAJORITY
from server.scaling.method import Method

METHODS: dict[str, Method] = {
    "majority": MAJORITY,
}
