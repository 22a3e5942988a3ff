"""Many outputs of one question that begin alike: written, scored, and their common beginnings read once.

Knows a model and token ids; the texts are the encoder's. Start at `tuition.student.student.Student`.
"""
