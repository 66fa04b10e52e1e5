"""Methods of spending test-time compute on one request: one file per method, one row in METHODS.

Independent of the engine and of HTTP: a method asks a SampleSource, and returns one answer and a report.
"""
