"""The chunks of the reference schema, as an application declares and writes them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase

from schemakit.partitioning import HashKeyLayout, Name, partitioned

LAYOUT = HashKeyLayout(
    Name("chunks"),
    "partition_key",
    source="collection_id",
    modulus=100,
    naming="chunk_part_{i}",
    unkeyed="chunks_unkeyed",
    checked=False,  # its CHECK stands below, under the name that the migration gives it
)
PARTITIONS = LAYOUT.modulus


class Base(DeclarativeBase):
    metadata = MetaData()


class Chunk(Base):
    __table__ = Table(
        "chunks",
        Base.metadata,
        Column("id", BigInteger, autoincrement=True, nullable=False),
        Column("collection_id", Uuid, nullable=False),
        Column(
            "partition_key",
            Integer,
            nullable=False,
            comment="get_partition_key(collection_id). Give it, or leave it to the trigger.",
        ),
        Column("document_id", Uuid, comment="NULL: cut from no document."),
        Column("chunking_config_id", BigInteger, comment="Settings it was cut with."),
        Column(
            "chunk_index", Integer, nullable=False, comment="Its place in the document, from 0."
        ),
        Column("content", Text, nullable=False),
        Column("start_offset", Integer, comment="In characters of the document."),
        Column("end_offset", Integer, comment="In characters; the one after its last."),
        Column("token_count", Integer),
        Column(
            "embedding_vector_id",
            String(255),
            comment="Its vector in the vector store; NULL: not embedded yet.",
        ),
        Column("metadata", JSONB, key="meta", nullable=False, server_default=text("'{}'::jsonb")),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        PrimaryKeyConstraint("id", "collection_id", "partition_key", name="pk_chunks"),
        ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name="fk_chunks_collection_id_collections",
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["chunking_config_id"],
            ["chunking_configs.id"],
            name="fk_chunks_chunking_config_id_chunking_configs",
            ondelete="SET NULL",
        ),
        CheckConstraint(
            f"partition_key = abs(hashtext(collection_id::text) % {PARTITIONS})",
            name="ck_chunks_partition_key_of_collection_id",
        ),
        CheckConstraint("chunk_index >= 0", name="ck_chunks_chunk_index_not_negative"),
        CheckConstraint("end_offset >= start_offset", name="ck_chunks_end_offset_not_before_start"),
        Index(
            "ix_chunks_collection_id_document_id_chunk_index",
            "collection_id",
            "document_id",
            "chunk_index",
        ),
        Index(
            "ix_chunks_document_id_chunk_index",
            "document_id",
            "chunk_index",
            postgresql_where=text("document_id IS NOT NULL"),
        ),
        Index("ix_chunks_chunking_config_id", "chunking_config_id"),
        Index("ix_chunks_created_at", "created_at", postgresql_using="brin"),
        Index(
            "ix_chunks_not_embedded",
            "collection_id",
            "id",
            postgresql_where=text("embedding_vector_id IS NULL"),
        ),
        comment="Pieces of documents, as they are embedded and found.",
        **partitioned(LAYOUT),
    )


# What `chunks` points to; only the columns that its foreign keys need.
Table("collections", Base.metadata, Column("id", Uuid, primary_key=True))
Table("chunking_configs", Base.metadata, Column("id", BigInteger, Identity(), primary_key=True))
