"""What would run, and a rehearsal of it."""
