"""The room that keeps what agents' work cost and what came of it."""
