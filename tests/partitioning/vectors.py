"""Hashes that PostgreSQL 12 to 18 have given, as data."""

import json
from pathlib import Path

_RECORDED = json.loads(Path(__file__).with_name("pghash_vectors.json").read_text("utf-8"))

TEXTS = _RECORDED["text"]
NATIVE = _RECORDED["native"]
MODULI = (2, 4, 7, 16, 100, 256)

#: Keys whose hashtext is -2147483648, two of them valid UUIDs.
INT_MIN_KEYS = (
    "8845783719",
    "12726034292",
    "00000000-0000-4000-8000-0001456ed970",
    "00000000-0000-4000-8000-0001993f4b7e",
)
