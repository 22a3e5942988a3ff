"""A student first, and a teacher where it is unsure: in use (`ask`), and what that would cost (`figures`)."""
