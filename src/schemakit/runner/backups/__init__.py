"""Backups as flows: the registry, copies, moves, and what is done with them."""
