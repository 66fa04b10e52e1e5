"""What `s1-train` refuses, said so that its user can mend it."""


class TrainingError(ValueError):
    """A run that cannot be done as asked. `str()` names the flag, file, row or field."""
