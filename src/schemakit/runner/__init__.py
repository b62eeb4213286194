"""What acts: the driver, the lock, Alembic, and the calls made of them."""
