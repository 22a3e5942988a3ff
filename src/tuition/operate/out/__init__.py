"""Ways out for a student: folders for the hub, llama.cpp, CTranslate2 and an evaluation harness."""
