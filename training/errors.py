"""The error for a run that `s1-train` refuses."""


class TrainingError(ValueError):
    """A run that cannot be done as asked. `str()` names the flag, file, row or field."""
