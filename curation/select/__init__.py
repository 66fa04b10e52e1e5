"""The selection of about a thousand of the remaining rows."""
