"""How long `tuition --help` and `import tuition` take, as whole processes, beside an empty Python process."""

import subprocess
import sys
import time

import frame

COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "import": [sys.executable, "-c", "import tuition"],
    "help": [sys.executable, "-m", "tuition", "--help"],
}


def main():
    quick = frame.arguments(__doc__).quick
    runs = []
    for repetition in range(-1, 3 if quick else 15):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            if repetition >= 0:
                runs.append(
                    {"repetition": repetition, "command": name, "wall_s": time.perf_counter() - start}
                )
    summary = {f"{name}_s": frame.median(runs, "wall_s", command=name) for name in COMMANDS}
    frame.write("startup", __doc__, runs=runs, ratios={}, summary=summary, quick=quick, packages=("typer",))


if __name__ == "__main__":
    main()
