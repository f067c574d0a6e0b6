"""Real systemds for the tests, on machines that run none."""
