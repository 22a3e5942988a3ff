"""Training a student: its passes over the examples, its optimizer, its steps."""
