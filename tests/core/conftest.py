import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tuition.core.store import Store


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "tuition.db") as opened:
        yield opened
