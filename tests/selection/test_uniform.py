import numpy as np

from tuition.core.protocols import Pool
from tuition.selection.uniform import uniform


def test_every_row_is_as_likely():
    counts = np.zeros(10)
    for seed in range(2000):
        counts[uniform(Pool(size=10), 3, seed=seed)] += 1
    assert abs(counts / 2000 - 0.3).max() < 0.05


def test_a_smaller_draw_begins_a_larger_one():
    assert uniform(Pool(size=50), 20, seed=4)[:8] == uniform(Pool(size=50), 8, seed=4)
