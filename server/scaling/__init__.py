"""Every way of spending test-time compute on one request: one file a method, one row in METHODS.

No engine, no HTTP server: a method asks a Sampler, and gives back one answer and how it was found.
"""
