"""The `classify` function of the jobs: Arrow batches in, verdicts out."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import FunctionContext, ScalarFunction, udf

from jobs.runtime.log_history import read_history
from millrace.settings import settings
from udfs.fingerprint import fingerprints
from udfs.verdict import Batch, Classifier

TOPIC = "telemetry"


class Classify(ScalarFunction):  # type: ignore[misc]
    """Marks duplicates and picks what the hot tier needs (see `udfs.verdict`)."""

    _classifier: Classifier

    def open(self, function_context: FunctionContext) -> None:
        """Start with an empty memory; it is read back from the log at the first batch."""
        self._classifier = Classifier(partial(read_history, settings().address("kafka"), TOPIC))

    def eval(self, *columns: "pd.Series[Any]") -> "pd.Series[int]":
        """Classify one Arrow batch."""
        identity, owner, event_time_ms, partition, offset, log_time = columns
        batch = Batch(
            messages=fingerprints(identity),
            devices=fingerprints(owner),
            event_times_ms=event_time_ms.to_numpy(np.int64),
            partitions=partition.to_numpy(np.int64),
            offsets=offset.to_numpy(np.int64),
            log_times_ms=log_time.to_numpy("datetime64[ms]").astype(np.int64),
        )
        return pd.Series(self._classifier.verdicts(batch))


FUNCTION = udf(Classify(), result_type=DataTypes.TINYINT(), func_type="pandas")
