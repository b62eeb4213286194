"""What calling a function does, as far as its name tells.

The names are those of pg_catalog. A function of the same name in the search_path is the user's
own, and then this errs: whoever writes ``now()`` means PostgreSQL's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

#: ``stable``: the same for all rows of a statement. ``volatile``: another for each row.
#: ``sequence``: moves one. ``unknown``: it may do anything.
Kind = Literal["stable", "volatile", "sequence", "unknown"]

_SEQUENCE = frozenset(("nextval", "setval"))
_VOLATILE_NAMES = """
    clock_timestamp gen_random_bytes gen_random_uuid random random_normal timeofday
    uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4 uuidv4 uuidv7
"""
_VOLATILE = frozenset(_VOLATILE_NAMES.split())
_STABLE_NAMES = """
    abs age array_agg array_append array_cat array_length array_position array_positions
    array_prepend array_remove array_replace array_to_string array_upper ascii avg bit_and
    bit_length bit_or bool_and bool_or btrim cardinality ceil ceiling char_length chr coalesce
    col_description concat concat_ws count cume_dist current_database current_schema
    current_schemas current_setting currval date_bin date_part date_trunc daterange decode
    degrees dense_rank digest div encode every exp extract factorial first_value floor format
    format_type gcd generate_series generate_subscripts get_bit get_byte greatest
    has_table_privilege hashtext host inet_server_addr initcap int4range int8range isempty
    isfinite json_agg json_array_elements json_array_elements_text json_array_length
    json_build_array json_build_object json_each json_each_text json_extract_path
    json_extract_path_text json_object json_object_agg json_object_keys json_strip_nulls
    json_to_record json_typeof jsonb_agg jsonb_array_elements jsonb_array_elements_text
    jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text
    jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg
    jsonb_object_keys jsonb_path_exists jsonb_path_query jsonb_pretty jsonb_set
    jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof justify_days justify_hours
    justify_interval lag last_value lcm lead least left length like ln log lower lower_inc
    lower_inf lpad ltrim make_date make_interval make_time make_timestamp make_timestamptz max
    md5 min mod mode now nth_value ntile nullif num_nonnulls num_nulls numrange obj_description
    octet_length overlaps overlay percent_rank percentile_cont percentile_disc pg_backend_pid
    pg_client_encoding pg_get_constraintdef pg_get_expr pg_get_indexdef pg_get_serial_sequence
    pg_get_triggerdef pg_get_userbyid pg_get_viewdef pg_is_in_recovery pg_relation_size
    pg_size_pretty pg_sleep pg_table_is_visible pg_table_size pg_total_relation_size
    pg_type_is_visible pg_typeof phraseto_tsquery pi plainto_tsquery position pow power
    quote_ident quote_literal quote_nullable radians range_merge rank regexp_match
    regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table repeat replace
    reverse right round row_number row_to_json rpad rtrim scale session_user setweight sha224
    sha256 sha384 sha512 shobj_description sign similarity split_part sqrt starts_with
    statement_timestamp stddev stddev_pop stddev_samp string_agg string_to_array string_to_table
    strip strpos substr substring sum timezone to_char to_date to_hex to_json to_jsonb to_number
    to_regclass to_regproc to_regtype to_timestamp to_tsquery to_tsvector transaction_timestamp
    translate trim trunc ts_rank ts_rank_cd tsrange tstzrange unaccent unnest upper upper_inc
    upper_inf uuid_nil var_pop var_samp variance version websearch_to_tsquery width_bucket
"""
_STABLE = frozenset(_STABLE_NAMES.split())


def kind(function: tuple[str, ...]) -> Kind:
    """Return what calling *function*, a qualified name in its parts, does."""
    *schema, called = (part.lower() for part in function)
    if schema not in ([], ["pg_catalog"]):
        return "unknown"
    if called in _SEQUENCE:
        return "sequence"
    if called in _VOLATILE:
        return "volatile"
    return "stable" if called in _STABLE else "unknown"


def kinds(functions: Iterable[tuple[str, ...]]) -> dict[Kind, str]:
    """Return the kinds of *functions*, each with the first function that is of it."""
    found: dict[Kind, str] = {}
    for function in functions:
        found.setdefault(kind(function), ".".join(function))
    return found
