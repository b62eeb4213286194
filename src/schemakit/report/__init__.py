"""Results, statuses, events and errors as text and as JSON. Pure: nothing here does I/O."""
