"""States what done looks like, and lets an agent work until a separate grader says so."""
