"""Adds a keyed Python function to a job so that a savepoint finds all of it again."""

from collections.abc import Callable
from typing import Any

from pyflink.common import Row, TypeInformation, Types
from pyflink.datastream import DataStream, KeyedProcessFunction
from pyflink.table import StreamTableEnvironment


def keyed_step(
    tables: StreamTableEnvironment,
    view: str,
    key: Callable[[Row], str],
    function: KeyedProcessFunction,
    output_type: TypeInformation,
    uid: str,
) -> DataStream:
    """Process the rows of a view by key; `uid` names the operators, in savepoints and in the web UI."""
    keyed = tables.to_data_stream(tables.from_path(view)).key_by(key, key_type=Types.STRING())
    # PyFlink puts a function of its own before the shuffle and gives no handle to it.
    add_key: Any = keyed._j_data_stream.getTransformation().getInputs()[0]
    add_key.setUid(f"{uid}-key")
    return keyed.process(function, output_type=output_type).name(uid).uid(uid)
