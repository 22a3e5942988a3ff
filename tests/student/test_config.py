import subprocess
import sys

import pytest

from tuition.core.config import parse
from tuition.core.errors import ConfigError
from tuition.student.config import StudentConfig, TrainingConfig


def test_the_defaults_are_the_embedded_student_and_the_published_loss():
    assert StudentConfig().model == "base"
    assert TrainingConfig().normaliser == "batch"
    assert TrainingConfig().batch_examples == 16


def test_steps_and_epochs_exclude_each_other():
    with pytest.raises(ConfigError, match="both steps and epochs are given; give one of them"):
        parse(TrainingConfig, {"steps": 3, "epochs": 1}, where="training")


@pytest.mark.parametrize("fault", [{"steps": 0}, {"lr": 0}, {"normaliser": "both"}, {"token_budget": 0}])
def test_impossible_values_are_refused(fault):
    with pytest.raises(ConfigError, match=f"{next(iter(fault))!r} is "):
        parse(TrainingConfig, fault, where="training")


def test_an_unknown_key_is_met_with_the_nearest():
    with pytest.raises(ConfigError, match="unknown key 'lora_rnk'; did you mean 'lora_rank'"):
        parse(StudentConfig, {"lora_rnk": 4}, where="student")


def test_checking_a_configuration_loads_no_torch():
    code = (
        "import sys, tuition.student, tuition.student.config; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'peft')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
