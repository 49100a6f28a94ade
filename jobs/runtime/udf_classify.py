"""The `classify` function of the jobs: Arrow batches in, verdicts out."""

from functools import partial
from typing import Any

import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import FunctionContext, ScalarFunction, udf

from jobs.runtime.log_history import read_history
from millrace.settings import settings
from udfs.fingerprint import fingerprints
from udfs.verdict import Classifier

TOPIC = "telemetry"


class Classify(ScalarFunction):  # type: ignore[misc]
    """Marks duplicates and picks what the hot tier needs (see `udfs.verdict`)."""

    _classifier: Classifier

    def open(self, function_context: FunctionContext) -> None:
        """Start with an empty memory; it is read back from the log at the first batch."""
        self._classifier = Classifier(partial(read_history, settings().address("kafka"), TOPIC))

    def eval(self, *columns: "pd.Series[Any]") -> "pd.Series[int]":
        """Classify one Arrow batch."""
        tenant, device_id, event_id, event_time_ms, partition, offset, log_time = columns
        device = tenant + "/" + device_id
        batch = pd.DataFrame(
            {
                "print": fingerprints(device + "/" + event_id),
                "device": device,
                "event_time_ms": event_time_ms,
                "partition": partition,
                "offset": offset,
                "log_time_ms": log_time.astype("datetime64[ms, UTC]").astype("int64"),
            }
        )
        return pd.Series(self._classifier.verdicts(batch))


FUNCTION = udf(Classify(), result_type=DataTypes.TINYINT(), func_type="pandas")
