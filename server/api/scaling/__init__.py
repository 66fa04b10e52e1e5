"""The HTTP edge of scaling: one client request that is answered from many."""
