"""One file for each way to divide a table. All pass tests/partitioning/test_conformance.py."""
