"""What a backup is: how a table is moved away whole and back, and made anew from its portrait."""
