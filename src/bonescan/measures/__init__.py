"""Arrays in, numbers out: scores and their intervals. Imports no stage, so any may use it."""
