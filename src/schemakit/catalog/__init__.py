"""What the database looks like: frozen values, and the SELECTs that read them."""

from __future__ import annotations

from .model import IndexName, LockHolder, Server

__all__ = ["IndexName", "LockHolder", "Server"]
