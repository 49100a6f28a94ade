"""64-bit fingerprints of texts, vectorised: the same text gives the same number in every process."""

import numpy as np
import numpy.typing as npt
from pandas import Series
from pandas.util import hash_array


def fingerprints(texts: "Series[str]") -> npt.NDArray[np.uint64]:
    """Return SipHash fingerprints of texts; never 0, which marks an empty slot."""
    prints: npt.NDArray[np.uint64] = hash_array(texts.to_numpy(dtype=object), categorize=False)
    return np.maximum(prints, np.uint64(1))
