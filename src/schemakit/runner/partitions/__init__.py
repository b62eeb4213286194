"""Partitioned tables on a live server. Users find its names in `schemakit.partitioning`."""
