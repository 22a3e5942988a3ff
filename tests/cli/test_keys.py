from tuition.operate.keys import keys


def test_keys_on_the_command_line(tuition):
    said = tuition("keys", "training.steps")
    assert said.code == 0
    assert said.out.splitlines() == [
        "training.steps",
        "  type     whole number, at least 1, at most 1000000",
        "  default  left out",
        "  meaning  Optimizer steps; give this or `epochs`.",
        "  in       every recipe",
    ]
    table = tuition("keys", "routing").out
    assert (
        "(in tinyllm)" in table and "routing.neighbours" in table and "Next: tuition keys routing." in table
    )
    every = tuition("keys", "--json").json
    assert {row["name"] for row in every} == {key.name for key in keys() if not key.is_table}
    assert len(tuition("keys").out.splitlines()) > len(every)
    assert (
        "did you mean 'training.steps', 'mentor.training.steps', 'ranker.training.steps'?"
        in tuition("keys", "steps").error
    )
