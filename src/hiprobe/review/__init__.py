"""What people say about events, and where it is kept."""
