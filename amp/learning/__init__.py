"""The room that decides an approach for a user and learns from what came of it."""
