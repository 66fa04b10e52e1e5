"""The HTTP edge of scaling: one client request is answered from many inner requests."""
