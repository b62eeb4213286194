"""What a statement locks, rewrites, scans and moves, as far as its text tells."""
