import gc
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[1] / "recipes"), str(Path(__file__).parent)]


@pytest.fixture(scope="session", autouse=True)
def _frozen_imports():
    """Keep the modules out of the collector's way: every Trainer collects garbage once."""
    gc.freeze()
    yield
    gc.unfreeze()
