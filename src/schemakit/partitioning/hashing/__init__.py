"""PostgreSQL's hash functions, as ``hashtext`` and ``PARTITION BY HASH`` use them.

`scalar` hashes one key; `swar` and `vectors` hash many, on big integers and on numpy arrays;
`packing` lays keys side by side for them and `batches` chooses. `text` and `encode` say which bytes
of a value the server hashes, `native` how the columns of a row come to one number.
"""
