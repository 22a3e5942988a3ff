import sys
from pathlib import Path

import pytest

from tuition.core.store import Store

sys.path.insert(0, str(Path(__file__).parents[1]))


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "tuition.db") as opened:
        yield opened
