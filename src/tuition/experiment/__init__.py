"""The parts that recipes are made of: configuration, bench, teachers, targets, examination, rounds."""
