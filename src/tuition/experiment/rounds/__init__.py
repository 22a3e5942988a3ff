"""Active distillation in rounds: the student explains, is scored, a teacher is asked, the student learns."""
