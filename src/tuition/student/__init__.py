"""The student: load, encode, train, predict. The only room with torch; this file imports none of it.

Knows targets and texts; knows no teacher, no task and no recipe.
Start at `tuition.student.load.load_student`.
"""
