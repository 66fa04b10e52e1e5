"""The statistics that the exactness tests lean on."""

from collections import Counter

import pytest
from scipy.stats import chi2_contingency

from server.engine.bench.reference import p_value


def test_p_value_is_that_of_scipy() -> None:
    one, other = Counter({(1,): 60, (2,): 30, (3,): 4}), Counter({(1,): 45, (2,): 48, (4,): 3})
    pooled = [[60, 30, 4], [45, 48, 3]]
    assert p_value(one, other) == pytest.approx(chi2_contingency(pooled).pvalue)
    assert p_value(one, one) == 1.0
