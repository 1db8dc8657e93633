"""Where the rooms meet: what came of a job, or a grade, teaches the decision that it followed."""
